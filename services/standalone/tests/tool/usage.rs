//! The command line itself.

use crate::binary::barid;

#[test]
fn help_and_version_end_well_and_name_the_verbs_and_exit_codes() {
    let help = barid(&["--help"]).well();
    for expected in
        ["run", "status", "messages", "replay", "explain", "Exit codes:", "the balance does not hold", "BARID_LOG"]
    {
        assert!(help.text().contains(expected), "{expected}");
    }
    assert!(barid(&["--version"]).well().text().starts_with("barid "));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    barid(&[]).with(2);
    barid(&["frobnicate"]).with(2);
    barid(&["messages", "--state", "lost"]).with(2);
    let ran = barid(&["messages", "--since", "whenever", "--data", "/"]).with(2);
    assert!(ran.stderr.contains("--since \"whenever\"") && ran.stderr.contains("15m"), "{}", ran.stderr);
}

#[test]
fn completions_are_made_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(barid(&["completions", shell]).well().text().contains("barid"), "{shell}");
    }
}

#[test]
fn run_without_a_directory_of_documents_ends_with_3() {
    let ran = barid(&["run", "/nowhere/at/all"]).with(3);
    assert!(ran.stderr.contains("/nowhere/at/all"), "{}", ran.stderr);
    let ran = barid(&["run", ".", "--log", "not=a=level"]).with(2);
    assert!(ran.stderr.contains("debug"), "{}", ran.stderr);
}
