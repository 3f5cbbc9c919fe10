//! The binary `barid`: the engine in one process, and the tool that speaks to it. All of it is in the library.

use barid_runtime::Exit;

/// A message is some dozen small allocations on several threads: the system's allocator takes a seventh of the processor for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    barid_standalone::cli::main()
}
