//! Path literals: read back as written, or an error.
#![no_main]

use barid_hl7::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Path::parse(text) {
        Ok(path) => assert_eq!(path.to_string(), text),
        Err(error) => assert!(error.to_string().len() < 600),
    }
});
