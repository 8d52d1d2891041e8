//! Faces are tested with records as the engine makes them, and with hostile ones.
