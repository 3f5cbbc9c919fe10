//! The process of the mesh's router. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_router::process::main()
}
