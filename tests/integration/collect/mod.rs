//! Collection: against a tenant in memory with a clock that is simulated, and the program against a local server.

mod described;
mod equal;
mod faults;
mod paging;
mod partner;
mod program;
mod replay;
mod resume;
mod scale;
mod service;
mod sign_in;
mod storm;
