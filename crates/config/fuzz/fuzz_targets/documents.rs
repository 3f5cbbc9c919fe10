//! Any text compiles or tells what is wrong; what compiles is rebuilt from what is stored of it as it was.
#![no_main]

use barid_config::{Channel, Snapshot, Sources, compile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let sources = Sources::from_texts([("fuzz.yaml", text)]);
    let compiled = compile(&sources, None);
    for problem in &compiled.problems {
        assert!(!problem.text.is_empty() && !problem.to_string().contains('\u{1e}'));
    }
    for channel in compiled.snapshot.channels.values() {
        let rebuilt = Channel::from_closure(&channel.closure).expect("its own closure");
        assert_eq!(rebuilt.revision, channel.revision);
        assert_eq!(rebuilt.settings, channel.settings);
    }
    let restored = Snapshot::restore(&compiled.snapshot.save()).expect("its own text");
    let again = compile(&sources, Some(&restored));
    assert_eq!(again.snapshot.channels.len(), compiled.snapshot.channels.len());
});
