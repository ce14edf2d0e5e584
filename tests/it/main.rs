//! The integration tests: one binary, a module for each topic.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

#[cfg(feature = "auth")]
mod auth; // users and passwords: who passes, and what verifying costs
mod awaited_bodies; // bodies that come slowly, and the handlers that are not called before
mod bind_addresses; // what can be bound, and what is said of the rest
mod blank_lines; // before a request: skipped, and what they may cost
mod browser; // Chromium, for the tests that need one
mod busy_loops; // handlers that keep the loop of a server that is to end
#[cfg(feature = "tls")]
mod certificates; // an authority, what it issues, and a client that speaks TLS
mod cgi; // programs that answer: what they are told, what they may say, how they end
mod cgi_background; // programs that leave a process behind
mod cgi_bodies; // chunked bodies on their way to programs
mod cgi_ends; // programs whose clients leave, or seem to
#[cfg(feature = "cli")]
mod cgi_isolation; // what a program gets of the process that starts it
mod cgi_processes; // programs as processes: their time, their end, what they leave behind
mod cgi_programs; // Python, Perl, PHP and Git behind the server
mod cgi_responses; // what programs may say, and what bodies pass through them
mod cgi_site; // a site with programs, and servers for it
mod chosen_handlers; // handlers behind pointers, and what clients beyond the bound are told
#[cfg(feature = "tls")]
mod clear_text; // HTTP without TLS where that is expected
#[cfg(feature = "cli")]
mod cli; // the command: its words, its ends, its errors
#[cfg(feature = "cli")]
mod cli_asked; // origins, prefixes, charsets and pages for errors, where they are asked for
#[cfg(feature = "cli")]
mod cli_auth; // its options for users and passwords
#[cfg(feature = "cli")]
mod cli_auth_load; // what many logins at once, or processes that are killed, cost others
#[cfg(feature = "cli")]
mod cli_cgi; // the command's options for programs
#[cfg(feature = "cli")]
mod cli_compress; // what it sends compressed, where that is asked for
#[cfg(feature = "cli")]
mod cli_ends; // how the command ends
#[cfg(feature = "cli")]
mod cli_errors; // what the command says of what cannot be done, and streams that nobody reads
#[cfg(feature = "cli")]
mod cli_log; // the command's log: its times, and what strangers may write into it
#[cfg(feature = "cli")]
mod cli_log_pipe; // the log in a pipe: lines of several processes, and lines that are cut
#[cfg(feature = "cli")]
mod cli_messages; // messages that name the thing and the way out, and ends that say what goes on
#[cfg(feature = "cli")]
mod cli_options; // options that do not fit one another, and values that are close to right ones
#[cfg(feature = "cli")]
mod cli_processes; // the command and other processes: signals that are ignored, and crashes
#[cfg(feature = "cli")]
mod cli_running; // its port, its log, and how long it takes to end
#[cfg(feature = "cli")]
mod cli_secrets; // the files that it reads its secrets from: none is sent, or replaced
#[cfg(feature = "cli")]
mod cli_sockets; // the command on Unix sockets
#[cfg(feature = "cli")]
mod cli_tls; // the command over HTTPS: its options, its files, and what it says of them
#[cfg(feature = "cli")]
mod cli_uploads; // files that the command takes, however it serves
#[cfg(feature = "cli")]
mod cli_words; // how its arguments may be written, and what is said of wrong ones
mod client_addresses; // a client of IPv4 is one, whatever the socket and whoever says so
mod comparison; // COMPARISON.md shows programs as they are, its tables name what exists
mod compiler; // rustc, for tests of what it says
#[cfg(all(feature = "cgi", feature = "compression"))]
mod compression; // responses that are compressed as they are made
#[cfg(all(feature = "cgi", feature = "compression"))]
mod compression_ends; // how those end, and what they are compared with
mod conditions; // what a client has of a file already
#[cfg(all(feature = "auth", feature = "cgi"))]
mod cors; // pages of other origins: what they may read, and what browsers ask before
mod cpython_names; // which of our tests stand for which of CPython's
mod cut_responses; // that end early, where nothing but the connection's end tells the end
mod daemon_threads; // what is not waited for, and what signals do then
mod datagrams; // servers of datagrams, over UDP and over Unix sockets
mod datagrams_drain; // what becomes of them when the server is asked to stop
mod datagrams_peers; // who sends them, and where they can be answered
#[cfg(feature = "cli")]
mod deploy; // systemd, nginx and HAProxy themselves, with the files of deploy/
mod diagnostics; // what the compiler says of values in the wrong place
mod differences; // from CPython, by intent
mod differential; // the same bytes to CPython and to us
mod differential_cases; // what is sent to both
mod differential_intended; // where the answers may differ
mod doc_search; // Python's names are found in the documentation
mod drain; // what becomes of running requests when the server is asked to stop
mod drain_again; // what an earlier loop has cut
mod drain_heads; // what becomes of those that have begun to arrive
mod drain_signals; // signals that end a server, and those that are only watched
mod encoded_files; // compressed files have the type of their bytes
mod endings; // how connections end that a handler drops
mod example_safety; // what the examples do with those who do not behave
mod examples; // every example runs and does what its header promises
mod examples_http; // those that serve HTTP
mod examples_strategies; // those about processes and threads
mod exhaustion; // out of descriptors, out of connections
mod form_differential; // the same forms to CPython and to us
mod forms; // forms as handlers read them
mod fuzz_corpus; // the seeds of the fuzz targets
mod h1spec; // the 33 behaviours that h1spec asks for
mod held_files; // two directories in one program
mod hostile; // clients that leave, dribble, flood and go silent
mod http_base; // what a handler calls of its base
mod http_confined; // a directory that nothing leads out of
mod http_error; // errors that say how their request is to be answered
mod http_exchange; // what the exchange gives a handler, and when bytes leave
mod http_files; // paths, listings, dates, types, and what is no file
mod http_framing; // where a request begins and ends, and what happens when that is in doubt
mod http_handler; // what a handler may override, call, and get wrong
mod http_misuse; // what a handler gets wrong, and what its client sees of that
mod http_pieces; // requests in pieces, several at once, of random bytes, at their limits
mod http_responses; // what a response says of its connection and its end
mod http_takeover; // connections that a handler takes over
mod http_target; // the path, the query and the host that a request is for
mod http_wire; // the reference's cases, byte for byte
mod http_wire_methods; // those of methods and handlers
#[cfg(feature = "cli")]
mod lab; // examples/lab: who waits for whom, and that its servers end with it
#[cfg(feature = "cli")]
mod lab_browser; // the same in Chromium, with each of its buttons
#[cfg(feature = "cli")]
mod lab_pages; // the pictures of the lesson are what it draws today
mod listings; // directories as tables, as JSON, and not at all
mod malformed_bodies; // whose mistake they are, and how much is said of it
#[cfg(feature = "cli")]
mod manual; // the help and the manual page, which say what the command does
mod matrix; // what every strategy must do, over every transport of streams
mod matrix_limits; // what every strategy must do about time and size
mod metrics; // what is counted, and whether the server is well
mod misuse; // calls that HTTP does not allow, by kind
mod multipart; // multipart bodies in pieces of every size
mod mutations; // fields of pieces, the same ones in each run
mod names; // the table of names, against the crate and against Python
mod nginx; // nginx itself, started for a test
mod nginx_cache; // a cache between client and server
mod nginx_files; // the same requests to nginx and to us
#[cfg(all(feature = "cli", target_os = "linux"))]
mod no_links; // uploads where there are no hard links, or none are allowed
mod one_file; // nothing else of its directory is served
mod one_request; // what holds for every method
mod parked_ends;
#[cfg(target_os = "linux")]
mod parked_files; // who reads the files that are left to be sent, and how many are open
mod parked_responses; // what is left of a response when its handler has returned
mod platforms; // where it cannot run, the build says so in one line
mod porting; // what Python's handlers do with socket, request and server
mod porting_examples; // the examples that docs/PORTING.md leads to
mod porting_page; // the code of docs/PORTING.md compiles, or has the message that it quotes
mod precompressed; // files that stand compressed beside others
mod promises; // the documents of security and reliability name tests that there are
mod proxies; // who the client is, behind balancers
mod put_races; // two at once, names that change meanwhile, ends in the middle
mod put_rights; // directories that may not be read, or keep the names in them
mod puts; // files that a directory takes by PUT
mod range_clients; // programs that go on with a download
mod ranges; // parts of files
mod redirects; // a directory without its slash leads to where the client is
mod refused_bodies; // what is answered before a body has come, and bodies that never do
mod refused_uploads; // by clients that send all of them before they read
#[cfg(target_os = "linux")]
mod seccomp; // system calls that are refused
mod server; // bind, handle_request, shutdown, the hooks and the options
mod server_addresses; // ports and addresses, and who shares them
mod set_header; // fields that take the place of others
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod shared; // a client with time limits, and servers in processes of their own
mod slow_readers;
mod smuggling; // requests that two readers could take apart differently
mod spa; // one page for all addresses of an application
mod stalls; // clients that take nothing of a response
mod strategies; // what one strategy does and the others do not
mod support; // a running server, a client with time limits, gates instead of sleeps
#[cfg(all(feature = "cli", target_os = "linux"))]
mod systemd; // the supervisor's side: sockets, messages, the watchdog
mod testing; // handlers without a server, as programs test theirs
mod tidy; // arrows, lengths and words that must agree
#[cfg(feature = "tls")]
mod tls; // handshakes that hold nobody up, records and requests, certificates, ends
#[cfg(feature = "tls")]
mod tls_proxies; // TLS behind balancers
#[cfg(feature = "tls")]
mod tls_sessions; // what is agreed on in handshakes: protocols, sessions, certificates
mod twins; // the programs of examples/python answer as the examples do
mod unix_sockets; // the file, who is at the other end, and HTTP over them
#[cfg(feature = "cli")]
mod upload_answers; // what the command says of uploads, and which names it refuses
mod upload_forms; // files that a form sends into a directory
#[cfg(feature = "cli")]
mod upload_ways; // beside each option of the command, and behind nginx
mod uploads; // what a request writes to files: whole files, below the directory
mod urls; // taken apart, read and quoted as CPython does
mod web; // a site of files, a client that reads replies, handlers that take notes
#[cfg(feature = "cli")]
mod zones; // addresses of a link, which need its name
