//! What BGP brings to the node's routes.

pub mod learned;
