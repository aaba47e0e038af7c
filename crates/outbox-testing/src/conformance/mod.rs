//! What every store must do. Each case takes a way to make an empty store and fails by panicking.
//!
//! A store's own tests call [`conformance!`](crate::conformance!) with it; a difference that a database forces is
//! explained at the query, never here.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

pub mod admission;
pub mod alerts;
pub mod commands;
pub mod delivery;
pub mod parts;
pub mod reading;
pub mod refusals;
pub mod retention;

/// Makes one test of every case: `conformance!(make_my_store);`
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance_cases! { $make;
            admission: a_stored_message_is_pending_and_its_bytes_are_exact;
            admission: the_same_bytes_again_are_a_duplicate_and_change_nothing;
            admission: other_bytes_under_a_known_control_id_are_a_conflict;
            admission: a_call_stores_all_of_its_messages_or_none;
            admission: a_refused_call_leaves_its_neighbours_in_the_group_alone;
            admission: the_limit_of_waiting_messages_holds_and_delivery_makes_room;
            admission: the_order_of_calls_of_a_thread_is_the_order_of_seq;
            admission: a_panic_while_preparing_is_the_caller_s_own;
            admission: a_panic_in_what_follows_an_answer_is_its_caller_s_own;
            delivery: a_lane_gives_one_message_at_a_time_in_order;
            delivery: lanes_do_not_wait_for_each_other;
            delivery: messages_without_a_lane_wait_for_nobody;
            delivery: a_message_that_backs_off_blocks_its_lane_until_it_is_due;
            delivery: a_refused_message_is_a_dead_letter_and_its_lane_goes_on;
            delivery: a_new_dispatcher_resends_open_claims_first_and_marks_them;
            delivery: a_late_completion_changes_nothing;
            delivery: a_turn_whose_term_is_over_claims_nothing_and_still_ends_attempts;
            delivery: a_message_not_due_before_a_date_stands_outside_its_lane_until_then;
            delivery: a_clock_that_jumped_back_delays_nothing_beyond_its_own_delay;
            delivery: a_paused_destination_gives_nothing_until_it_is_resumed;
            delivery: claims_come_in_the_order_in_which_messages_fell_due;
            delivery: an_urgent_message_waits_for_no_clock_that_jumped_back;
            delivery: an_expired_message_holds_its_lane_where_dead_letters_do;
            delivery: a_turn_that_puts_many_aside_lets_others_in_between;
            delivery: expiry_counts_from_not_before_even_when_a_person_came_first;
            commands: a_retried_dead_letter_takes_its_old_place;
            commands: an_overtaken_message_is_left_unless_allowed;
            commands: a_message_that_comes_back_waits_for_the_one_in_flight_and_precedes_the_rest;
            commands: retry_makes_a_waiting_message_due_now_and_nudges_its_destination;
            commands: retry_leaves_what_is_in_flight_or_delivered_and_says_why;
            commands: a_cancelled_message_frees_its_lane_and_can_be_retried;
            commands: a_cancel_in_flight_holds_unless_the_receiver_accepts;
            commands: a_cancel_in_flight_holds_when_its_dispatcher_dies;
            commands: a_doubt_outlives_a_person_s_retry;
            commands: a_message_is_overtaken_by_its_own_correction;
            commands: a_dead_letter_holds_only_what_comes_after_it;
            commands: a_purge_lists_each_message_once;
            commands: a_command_by_filter_changes_exactly_what_matches;
            commands: a_bulk_command_counts_exactly_and_lists_a_thousand;
            commands: a_command_without_an_actor_is_refused;
            parts: a_command_on_many_messages_goes_in_parts_and_counts_exactly;
            parts: what_is_stored_at_a_seam_is_not_meant;
            parts: a_correction_comes_back_in_its_place_and_not_at_its_number;
            parts: what_leaves_a_lane_leaves_from_its_end;
            parts: a_command_that_is_ended_at_a_seam_says_how_far_it_came;
            parts: a_close_in_the_middle_says_how_far_the_command_came;
            parts: of_two_commands_on_many_messages_the_second_finds_what_the_first_left;
            parts: a_small_command_does_not_wait_for_a_large_one;
            parts: a_count_is_what_a_list_finds;
            reading: attempts_and_answers_are_kept;
            reading: pages_by_key_neither_repeat_nor_lose_while_messages_arrive;
            reading: every_filter_finds_what_it_names;
            reading: figures_count_what_is_there;
            reading: changes_are_heard_in_commit_order;
            reading: every_attempt_that_ends_is_told_once_with_its_trace;
            reading: a_change_counts_the_attempt_that_led_to_it;
            reading: a_cursor_never_names_what_was_taken_back;
            refusals: dead_letters_are_grouped_by_what_they_failed_of_and_counted_by_the_day;
            refusals: a_group_shrinks_as_its_messages_leave_it_and_goes_with_the_last;
            refusals: owner_note_and_mark_are_kept_with_who_and_when;
            refusals: a_rectified_group_is_open_again_with_the_next_refusal_and_says_so;
            refusals: of_two_who_change_a_group_the_second_is_told_and_changes_nothing;
            refusals: what_was_refused_after_a_look_is_not_rectified_by_it;
            refusals: a_part_has_counts_examples_owner_note_and_mark_of_its_own;
            refusals: only_a_refusal_of_the_part_makes_the_part_open_again;
            refusals: every_filter_of_groups_finds_what_it_names;
            refusals: there_are_limits_and_more_is_said;
            refusals: notes_go_in_their_time_when_no_dead_letter_is_left;
            retention: contents_of_ended_messages_go_after_their_time_and_nothing_else;
            retention: rows_of_ended_messages_become_tombstones_and_are_still_recognised;
            retention: waiting_messages_are_kept_whatever_their_age_and_still_leave;
            retention: what_has_lost_its_content_is_not_sent_again_and_says_why;
            retention: a_message_that_was_sent_again_is_kept_anew;
            retention: nothing_is_removed_that_is_kept_for_ever;
            retention: many_go_in_batches_that_let_others_in_between;
            retention: a_pruned_feed_tells_who_is_behind_where_to_go_on;
            alerts: what_two_processes_decide_at_once_is_told_once;
            alerts: notices_about_one_thing_are_handed_over_in_their_order_and_each_by_one;
            alerts: a_notice_whose_bearer_died_is_handed_over_by_the_next;
            alerts: a_notice_that_nobody_takes_is_given_up_told_for_a_week_and_cleared_away;
            alerts: a_refusal_is_noted_with_its_dead_letter_and_counted_by_its_kind;
            alerts: a_callback_is_known_to_every_process;
        }
    };
}

/// Writes the tests; used by [`conformance!`](crate::conformance!) only.
#[macro_export]
macro_rules! conformance_cases {
    ($make:expr; $($part:ident: $case:ident;)+) => {
        $(#[test] fn $case() { $crate::conformance::$part::$case(&$make); })+
    };
}
