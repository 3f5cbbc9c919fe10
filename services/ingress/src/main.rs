//! The process of the mesh's ingress. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_ingress::process::main()
}
