//! Carrying out plans: against a small service with faults on demand, and with processes that are killed.

mod commands;
mod crash;
mod demo;
mod described;
mod fake;
mod faults;
mod live;
mod many;
mod reads;
mod remote;
mod stale;
mod steps;
mod tamper;
mod tenants;
mod world;
