//! The process of the apply stage. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_transformer::main()
}
