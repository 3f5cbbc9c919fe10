//! The process of the mesh's delivery. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_delivery::process::main()
}
