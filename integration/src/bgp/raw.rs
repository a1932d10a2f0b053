//! A sender of handwritten octets: says whatever a test wants, and reads back whole messages.
