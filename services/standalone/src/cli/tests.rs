use super::command;
use super::out::clean;
use super::say::{bytes, short};
use super::table::width;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_verb_says_its_exit_codes_in_its_help() {
    for verb in command().get_subcommands_mut() {
        let help = verb.render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("a channel test failed"), "{}", verb.get_name());
    }
}

#[test]
fn columns_are_as_wide_as_what_is_seen() {
    assert_eq!(width("Nouakchott"), 10);
    assert_eq!(width("Zaïnab"), 6);
    assert_eq!(width("Zai\u{308}nab"), 6, "a combining mark takes no room");
    assert_eq!(width("مُحَمَّد"), 4, "vowel marks take no room");
    assert_eq!(width("病院"), 4);
}

#[test]
fn text_of_a_sender_cannot_drive_the_terminal() {
    assert_eq!(clean("MSG\x1b[2J\x07\r\n1"), "MSG·[2J···1");
    assert_eq!(clean("abc\u{202e}cba"), "abccba");
    assert_eq!(clean("بنت أحمد é"), "بنت أحمد é");
}

#[test]
fn sizes_and_names_are_short() {
    assert_eq!(
        [0, 1_023, 1_024, 1_536, 20 << 20, 5 << 40].map(bytes),
        ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "20 MiB", "5.0 TiB"]
    );
    assert_eq!([short("default/chn"), short("regions/chn")], ["chn", "regions/chn"]);
}
