//! The parts that meet the world: files under inotify, the kernel, and the whole program. Those
//! that need a network namespace need root, and fail without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod cleanup;
mod directory;
mod explain;
mod kernel;
mod learned;
mod managers;
mod masquerade;
mod nft_failures;
mod nftables;
mod pods;
mod program;
mod run_dir;
mod sample;
mod site;
mod sysctls;
