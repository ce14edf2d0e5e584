//! CPython's own tests, and which of ours stand for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::differential::newest_python;

/// Where CPython's tests have none of ours, it is because of one of these.
const ELSEWHERE: [(&str, &str); 1] =
    [("Python", "it is about the language: `__all__`, drive letters of Windows, `assertRaises`")];

/// A test of CPython's and those of ours.
type Counterpart = (&'static str, &'static [&'static str]);

/// The tests of `test_httpservers` up to 3.14 and of `test_socketserver`, by class, and ours.
const COUNTERPARTS: &[(&str, &[Counterpart])] = &[
    (
        "BaseHTTPServerTestCase",
        &[
            ("test_command", &["an_unsupported_method_is_501"]),
            ("test_request_line_trimming", &["tabs_and_several_blanks_separate_words"]),
            ("test_version_bogus", &["a_bad_version_is_400"]),
            ("test_version_digits", &["heads_that_are_no_heads_are_refused"]),
            ("test_version_signs_and_underscores", &["heads_that_are_no_heads_are_refused"]),
            ("test_major_version_number_too_long", &["heads_that_are_no_heads_are_refused"]),
            ("test_minor_version_number_too_long", &["a_version_of_eleven_digits_is_400"]),
            ("test_version_none_get", &["a_request_without_version_is_answered_without_head"]),
            ("test_version_none", &["only_get_needs_no_version"]),
            ("test_version_invalid", &["heads_that_are_no_heads_are_refused", "http_2_is_505"]),
            ("test_send_blank", &["one_word_is_400"]),
            ("test_header_close", &["connection_close_is_honoured_in_any_case"]),
            ("test_header_keep_alive", &["a_client_of_http_1_0_may_ask_to_be_kept"]),
            ("test_handler", &["each_method_of_http_has_its_own"]),
            ("test_return_header_keep_alive", &["a_handler_may_keep_a_client_of_http_1_0"]),
            ("test_internal_key_error", &["an_unknown_status_is_explained_with_question_marks"]),
            ("test_return_custom_status", &["an_unknown_status_has_an_empty_reason"]),
            (
                "test_return_explain_error",
                &["the_message_and_the_explanation_of_an_error_are_escaped_in_its_page"],
            ),
            ("test_latin1_header", &["a_header_in_latin_1_comes_back_as_it_was"]),
            ("test_error_content_length", &["a_missing_file_is_404"]),
            (
                "test_send_error",
                &[
                    "the_error_204_has_neither_page_nor_length",
                    "the_error_205_has_neither_page_nor_length",
                    "the_error_304_has_neither_page_nor_length",
                    "the_error_101_has_neither_page_nor_length",
                ],
            ),
            ("test_head_via_send_error", &["an_error_for_head_has_a_length_and_no_page"]),
        ],
    ),
    (
        "HTTP09ServerTestCase",
        &[
            ("test_simple_get", &["a_request_without_version_is_answered_at_once"]),
            ("test_invalid_request", &["only_get_needs_no_version"]),
            ("test_single_request", &["a_request_without_version_is_the_last_of_its_connection"]),
        ],
    ),
    (
        "RequestHandlerLoggingTestCase",
        &[
            ("test_get", &["the_log_is_written_to_standard_error_in_pythons_layout"]),
            ("test_err", &["the_log_is_written_to_standard_error_in_pythons_layout"]),
        ],
    ),
    (
        "SimpleHTTPServerTestCase",
        &[
            ("test_undecodable_filename", &["a_listing_shows_any_name"]),
            ("test_undecodable_parameter", &["the_title_of_a_listing_is_readable_and_escaped"]),
            (
                "test_get_dir_redirect_location_domain_injection_bug",
                &["a_redirect_leads_to_the_same_server"],
            ),
            (
                "test_get",
                &[
                    "targets_name_files_below_the_root",
                    "a_redirect_leads_to_the_same_server",
                    "an_unreadable_directory_and_an_unreadable_file_are_404",
                ],
            ),
            ("test_head", &["head_of_a_file_is_its_head"]),
            ("test_browser_cache", &["a_client_with_a_recent_copy_is_told_so"]),
            ("test_browser_cache_file_changed", &["the_date_of_a_reply_makes_the_next_one_304"]),
            (
                "test_browser_cache_with_If_None_Match_header",
                &["if_none_match_outweighs_if_modified_since"],
            ),
            ("test_invalid_requests", &["methods_are_case_sensitive"]),
            ("test_last_modified", &["the_date_of_a_reply_makes_the_next_one_304"]),
            ("test_path_without_leading_slash", &["a_target_needs_no_slash"]),
            ("test_html_escape_filename", &["a_listing_is_in_order_and_escaped"]),
        ],
    ),
    (
        "BaseHTTPRequestHandlerTestCase",
        &[
            (
                "test_unprintable_not_logged",
                &["the_log_is_written_to_standard_error_in_pythons_layout"],
            ),
            ("test_http_1_1", &["a_connection_of_http_1_1_is_kept"]),
            ("test_http_1_0", &["a_client_of_http_1_0_is_answered_as_1_1_and_closed"]),
            ("test_http_0_9", &["a_request_without_version_is_answered_without_head"]),
            ("test_extra_space", &["four_words_are_400"]),
            ("test_with_continue_1_0", &["a_client_of_http_1_0_is_not_told_to_continue"]),
            ("test_with_continue_1_1", &["a_client_that_expects_100_may_be_told_to_continue"]),
            (
                "test_header_buffering_of_send_error",
                &["a_head_and_what_is_written_first_leave_together"],
            ),
            ("test_header_buffering_of_send_response_only", &["early_hints_precede_the_response"]),
            (
                "test_header_buffering_of_send_header",
                &["the_head_leaves_before_a_handler_waits_for_the_client"],
            ),
            (
                "test_header_unbuffered_when_continue",
                &["a_client_that_expects_100_may_be_told_to_continue"],
            ),
            ("test_with_continue_rejected", &["a_client_that_expects_100_may_be_refused"]),
            (
                "test_request_length",
                &["a_request_line_of_65537_bytes_is_414", "limits_count_exactly"],
            ),
            (
                "test_header_length",
                &["a_header_line_of_65539_bytes_is_431", "limits_count_exactly"],
            ),
            ("test_too_many_headers", &["a_hundred_headers_are_431", "limits_count_exactly"]),
            ("test_html_escape_on_error", &["markup_is_escaped_in_the_page_and_raw_in_the_reason"]),
            ("test_close_connection", &["the_handler_may_close_the_connection"]),
            ("test_date_time_string", &["the_exchange_holds_the_request_and_the_server"]),
        ],
    ),
    (
        "SimpleHTTPRequestHandlerTestCase",
        &[
            ("test_query_arguments", &["targets_name_files_below_the_root"]),
            ("test_start_with_double_slash", &["targets_name_files_below_the_root"]),
            ("test_windows_colon", &["Python"]),
        ],
    ),
    ("MiscTestCase", &[("test_all", &["Python"])]),
    (
        "ScriptTestCase",
        &[
            ("test_server_test_unspec", &["without_an_address_ipv4_clients_are_served"]),
            ("test_server_test_localhost", &["the_banner_names_host_port_and_url"]),
            ("test_server_test_ipv6", &["the_banner_names_host_port_and_url"]),
            ("test_server_test_ipv4", &["the_banner_names_host_port_and_url"]),
        ],
    ),
    (
        "CGIHTTPServerTestCase",
        &[
            ("test_url_collapse_path", &["paths_collapse_as_in_cpython"]),
            ("test_headers_and_content", &["a_script_answers"]),
            ("test_issue19435", &["no_spelling_of_a_scripts_path_shows_its_source"]),
            ("test_post", &["a_python_script_reads_a_form"]),
            ("test_large_content_length", &["large_bodies_and_outputs_pass_through_little_memory"]),
            (
                "test_large_content_length_truncated",
                &["a_body_that_does_not_come_is_408_and_one_that_ends_early_400"],
            ),
            ("test_invaliduri", &["what_is_no_script_is_refused_as_in_cpython"]),
            ("test_authorization", &["who_the_client_says_it_is_is_told_on_request_only"]),
            ("test_no_leading_slash", &["no_spelling_of_a_scripts_path_shows_its_source"]),
            ("test_os_environ_is_not_altered", &["the_servers_environment_stays_its_own"]),
            (
                "test_urlquote_decoding_in_cgi_check",
                &["no_spelling_of_a_scripts_path_shows_its_source"],
            ),
            (
                "test_nested_cgi_path_issue21323",
                &["scripts_lie_in_directories_below_and_elsewhere"],
            ),
            ("test_query_with_multiple_question_mark", &["programs_are_run_as_by_cpython"]),
            ("test_query_with_continuous_slashes", &["programs_are_run_as_by_cpython"]),
            (
                "test_cgi_path_in_sub_directories",
                &["scripts_lie_in_directories_below_and_elsewhere"],
            ),
            ("test_accept", &["the_environment_is_that_of_rfc_3875"]),
        ],
    ),
    (
        "BaseHTTPSServerTestCase",
        &[
            ("test_get", &["every_strategy_serves_files_over_https"]),
            ("test_valid_certdata", &["an_encrypted_key_is_read_with_the_password_of_a_file"]),
            ("test_invalid_certdata", &["a_file_that_is_wrong_is_named_in_one_line"]),
        ],
    ),
    (
        "SocketServerTest",
        &[
            ("test_TCPServer", &["both_ends_of_a_connection_can_be_used_at_once"]),
            ("test_ThreadingTCPServer", &["both_ends_of_a_connection_can_be_used_at_once"]),
            ("test_ForkingTCPServer", &["each_connection_has_a_process"]),
            ("test_UnixStreamServer", &["both_ends_of_a_connection_can_be_used_at_once"]),
            ("test_ThreadingUnixStreamServer", &["both_ends_of_a_connection_can_be_used_at_once"]),
            ("test_ForkingUnixStreamServer", &["http_over_a_unix_socket_is_served_by_children"]),
            ("test_UDPServer", &["each_datagram_is_answered"]),
            ("test_ThreadingUDPServer", &["each_datagram_is_answered"]),
            ("test_ForkingUDPServer", &["each_datagram_has_a_process"]),
            ("test_UnixDatagramServer", &["each_datagram_is_answered"]),
            ("test_ThreadingUnixDatagramServer", &["each_datagram_is_answered"]),
            ("test_ForkingUnixDatagramServer", &["each_datagram_has_a_process"]),
            ("test_shutdown", &["shutdown_races_with_the_start"]),
            (
                "test_close_immediately",
                &[
                    "a_closed_server_refuses_connections",
                    "shutdown_before_serving_returns_at_once_and_answers_nobody",
                ],
            ),
            ("test_tcpserver_bind_leak", &["failed_binds_leak_nothing"]),
            ("test_context_manager", &["a_closed_server_refuses_connections"]),
        ],
    ),
    (
        "ErrorHandlerTest",
        &[
            ("test_sync_handled", &["an_error_costs_its_own_connection"]),
            ("test_sync_not_handled", &["a_panic_costs_its_own_connection"]),
            ("test_threading_handled", &["an_error_costs_its_own_connection"]),
            ("test_threading_not_handled", &["a_panic_costs_its_own_connection"]),
            ("test_forking_handled", &["a_panic_costs_its_own_connection"]),
            ("test_forking_not_handled", &["a_crash_costs_its_own_connection_and_is_logged"]),
        ],
    ),
    (
        "SocketWriterTest",
        &[
            ("test_basics", &["the_server_may_speak_first"]),
            (
                "test_write",
                &["a_large_file_is_sent_to_a_slow_client", "io_copy_sends_the_request_back"],
            ),
        ],
    ),
    (
        "MiscTestCase of test_socketserver",
        &[
            ("test_all", &["every_public_name_of_python_has_a_row"]),
            (
                "test_shutdown_request_called_if_verify_request_false",
                &["a_client_that_is_not_verified_is_closed_and_not_handled"],
            ),
            ("test_threads_reaped", &["pooled_threads_end_after_idling"]),
        ],
    ),
];

/// The names of all our tests: functions, cases of `http_wire`, and those for each strategy.
pub(crate) fn our_tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for directory in ["tests", "src"] {
        read_tests(&root.join(directory), &mut names);
    }
    names
}

fn read_tests(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_tests(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            names.extend(text.lines().filter_map(test_name).map(str::to_owned));
        }
    }
}

/// The name in `fn name() {`, `    name:` and `    name,`.
fn test_name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    // Of a file that one of the programs includes.
    let words = words.strip_prefix("pub(super) ").unwrap_or(words);
    let function = words.strip_prefix("fn ").and_then(|rest| rest.strip_suffix("() {"));
    let case = || line.strip_prefix("    ")?.strip_suffix([':', ',']);
    let name = function.or_else(case)?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_name).then_some(name)
}

#[test]
fn every_test_that_stands_for_one_of_cpythons_exists() {
    let known = our_tests();
    for (class, tests) in COUNTERPARTS {
        for (name, ours) in *tests {
            assert!(!ours.is_empty(), "{class}.{name}");
            for our in *ours {
                let is_elsewhere = ELSEWHERE.iter().any(|(reason, _)| reason == our);
                assert!(
                    is_elsewhere || known.contains(*our),
                    "{our}, which stands for {class}.{name}, is no test"
                );
            }
        }
    }
}

#[test]
fn every_test_of_cpython_has_a_row() {
    let Some((version, program)) = newest_python() else { return };
    for module in ["test_httpservers", "test_socketserver"] {
        let find =
            format!("import importlib.util as u; print(u.find_spec('test.{module}').origin)");
        let output = Command::new(&program).args(["-c", &find]).output().unwrap();
        let path = String::from_utf8(output.stdout).unwrap();
        let Ok(text) = fs::read_to_string(path.trim_end()) else {
            println!("{} comes without tests", program.display());
            return;
        };
        let mut class = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("class ") {
                class = rest.split(['(', ':']).next().unwrap();
            }
            let Some(rest) = line.strip_prefix("    def test_") else { continue };
            let name = format!("test_{}", rest.split('(').next().unwrap());
            let has_row = COUNTERPARTS.iter().any(|(known, tests)| {
                known.split(' ').next() == Some(class)
                    && tests.iter().any(|(test, _)| *test == name)
            });
            // Later versions are for later.
            assert!(has_row || version >= (3, 14, 0), "{class}.{name} of {version:?} has no row");
        }
    }
}
