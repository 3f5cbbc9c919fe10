//! The process of the parse stage. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_parser_validator::main()
}
