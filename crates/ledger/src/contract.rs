//! What every ledger has to do, as tests: an implementation runs them with [`ledger_contract!`](crate::ledger_contract).
//!
//! The tests write small logs ([`world`]) and look at answers only, never into a database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test suite that other crates run: it fails by panicking, and each test says in its name what it holds"
)]

pub mod apply;
pub mod aside;
pub mod ask;
pub mod balance;
pub mod deliveries;
pub mod figures;
pub mod rebuild;
pub mod replay;
pub mod retention;
pub mod search;
pub mod story;
pub mod world;

/// Runs the contract against the ledgers a function makes: `ledger_contract!(make)`, where `make()` gives a fresh,
/// empty ledger and whatever must live as long as it.
#[macro_export]
macro_rules! ledger_contract {
    ($make:path) => {
        $crate::ledger_contract!(@ $make,
            apply: the_same_changes_again_change_nothing,
            apply: the_order_of_subjects_makes_no_difference,
            apply: positions_are_kept_with_the_changes_and_never_go_back,
            apply: changes_at_or_below_the_stored_position_are_skipped,
            apply: a_batch_that_fails_leaves_nothing_behind,
            apply: the_first_terminal_outcome_counts,
            apply: a_filtered_delivery_stays_filtered_whatever_was_read_before,
            apply: a_person_may_discard_what_is_quarantined,
            apply: an_order_ends_what_the_router_set_aside_for_a_channel,
            apply: a_message_set_aside_before_routing_may_be_routed_after_all,
            apply: a_ledger_of_another_log_is_emptied,
            apply: refused_messages_are_kept_apart_newest_first,
            apply: commands_are_kept_with_who_and_why,
            search: messages_are_found_by_what_people_know_of_them,
            search: what_a_destination_may_have_twice_is_found,
            search: a_type_is_found_by_its_code_event_or_structure,
            search: a_time_range_has_its_beginning_and_not_its_end,
            search: pages_give_every_message_once_newest_first,
            search: pages_of_a_common_key_give_every_message_once,
            search: a_message_is_found_by_the_state_of_its_deliveries,
            search: a_message_is_found_by_the_code_of_a_finding,
            search: a_name_that_nothing_has_finds_nothing,
            search: a_cursor_of_another_question_is_refused,
            search: a_search_that_looks_far_is_cut_and_goes_on,
            story: the_story_of_a_delivered_message_is_told_in_order,
            story: g6_the_story_says_why_a_delivery_was_parked_quarantined_and_discarded,
            story: the_story_names_resends_replays_and_commands,
            story: a_second_outcome_is_told_as_one_that_does_not_count,
            story: an_act_of_a_person_is_told_once_and_names_the_message_it_made,
            story: nothing_is_told_of_an_unknown_message,
            deliveries: a_delivery_is_found_by_its_identity,
            deliveries: deliveries_are_listed_by_state_destination_and_channel,
            deliveries: pages_of_deliveries_give_every_one_once,
            deliveries: a_list_that_looks_far_is_cut_and_gives_every_delivery_once,
            deliveries: a_held_delivery_says_why_in_which_lanes_and_what_was_answered,
            deliveries: a_delivery_that_came_back_from_park_and_was_refused_is_held,
            deliveries: a_rerun_is_a_delivery_of_its_own_and_takes_the_place_of_the_first,
            deliveries: one_message_is_looked_up_with_its_deliveries,
            deliveries: places_in_the_log_are_kept_for_every_payload,
            aside: the_quarantine_has_what_waits_for_a_person_and_nothing_else,
            aside: what_is_set_aside_is_the_same_in_every_list_sum_and_count,
            aside: a_message_set_aside_on_which_a_person_has_decided_waits_no_more,
            aside: what_was_set_aside_before_its_outcome_is_known_is_set_aside,
            aside: what_only_park_still_tells_of_waits_for_a_person,
            figures: statistics_count_by_channel_destination_and_facility,
            figures: only_what_a_sender_sent_counts_as_seen,
            replay: o5_a_replay_keeps_the_order_in_which_messages_were_accepted,
            replay: o5_pages_of_a_replay_keep_the_order_too,
            replay: duplicates_are_not_replayed_unless_asked_for,
            replay: what_a_replay_makes_again_is_not_replayed_beside_it,
            balance: g4_everything_accepted_is_accounted_for,
            balance: g4_every_breach_is_listed_with_its_message,
            balance: a_violation_that_later_records_explain_is_not_confirmed,
            balance: a_message_from_before_the_log_is_no_violation,
            balance: coverage_shows_a_gap_in_a_subject,
            balance: the_balance_is_printed_with_its_violations,
            retention: what_has_ended_goes_by_the_retention_of_its_channel,
            retention: what_a_person_decided_on_never_waits_again_because_the_decision_is_forgotten,
            retention: what_was_run_again_in_vain_waits_for_a_person_whatever_else_is_forgotten,
            retention: what_was_run_again_stays_decided_when_what_it_became_has_had_its_time,
            retention: what_waits_for_a_person_is_never_removed,
            retention: a_sweep_goes_in_steps_and_ends,
            retention: a_removed_message_is_found_by_nothing,
            retention: an_expired_payload_shows_as_such_once_all_has_ended,
            rebuild: a_rebuilt_ledger_answers_as_before,
            rebuild: any_interleaving_with_repeats_folds_to_the_same_answers,
        );
    };
    (@ $make:path, $($module:ident: $name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let (ledger, _keep) = $make();
                $crate::contract::$module::$name(&ledger);
            }
        )*
    };
}
