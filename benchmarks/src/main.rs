//! Speed and memory of our own code, as ratios against a peer or a limit.
fn main() {}
