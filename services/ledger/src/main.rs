//! The process of the mesh's ledger. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_ledger_service::process::main()
}
