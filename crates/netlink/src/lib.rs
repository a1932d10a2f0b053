//! (crate opens here)
