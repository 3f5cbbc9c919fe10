//! The owner of a destination over a log in memory, against receivers that misbehave. Time is the test's own.

mod deciding;
mod deposed;
mod house;
mod landing;
mod repark;
mod silent;
mod stopping;
mod untold;
