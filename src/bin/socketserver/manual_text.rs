//! What the manual page says beside the options. The tests compare it with what the command does.

/// A name, or several with commas, and what there is to say: one line for each paragraph.
type Entries = &'static [(&'static str, &'static str)];

pub(crate) const DESCRIPTION: &str = "\
socketserver serves the files of a directory, as python -m http.server does: the options of that \
command have the same names and meanings, and the output is the same. A directory is answered with \
its index.html, or else with a list of its files. If -d names a file, this file is served alone. \
Requests are logged on standard error.
Further options ask for passwords (--auth-file), serve HTTPS (--tls-cert), let pages of other \
origins read the files (--cors), compress what is sent (--compress), serve single-page \
applications (--spa), take uploads (--upload), run CGI programs (--cgi), confine the server to \
its directory (--confine), serve in several processes (--processes), bind to a Unix socket \
(--unix), and read client addresses from proxies (--trusted-proxies).
By default every client of every network that reaches this machine can read every file below the \
directory, and whatever symbolic links lead to. See -b, --confine and --hide-dot-files.
Options may be shortened as long as they are unique. If an option is given several times, the last \
one counts, except for -H, --cgi-env, \
--auth, --cors and --error-page.";

pub(crate) const SIGNALS: Entries = &[
    (
        "SIGINT, SIGTERM",
        "Stop the server. No further connections are accepted, idle ones are closed, and running \
         requests have 30 seconds to finish, or as --shutdown-timeout says; then their connections \
         are closed. A second signal, at least 0.1 seconds later, closes them at once. The exit \
         status is 0 in both cases.
         It is enough to send one to the process that was started; it stops its own processes. \
         SIGTERM to one of those processes lets it finish its requests; with --processes another \
         one takes its place.",
    ),
    (
        "SIGHUP",
        "With --tls-cert, read the certificate, its key and the file of --tls-client-ca again; if \
         they cannot be used, the old ones stay, and a line on standard error says why. The same \
         holds for the files of --auth-file and --error-page. With --processes, replace the \
         processes one by one; no client is refused meanwhile. With --tls-self-signed it changes \
         nothing. Without these options it ends the server at once, as SIGQUIT does.",
    ),
    (
        "SIGQUIT",
        "End the process that was started, at once. With --concurrency threading or sequential \
         its requests end with it, unfinished. With forking its children finish theirs. With \
         --processes the other processes stop as on SIGTERM: they finish their requests, with the \
         same limit of time. The port is free again a moment after the signal.
         Sent to all processes, as a terminal does on Ctrl-\\, it ends all of them, and finishes \
         no request.",
    ),
    (
        "SIGPIPE",
        "Is ignored: the server goes on if the reader of standard output or standard error ends.",
    ),
    (
        "Ignored signals",
        "SIGINT, SIGTERM or SIGHUP that was ignored when the server was started stays ignored, as \
         SIGHUP is with nohup(1).",
    ),
];

pub(crate) const EXIT_STATUS: Entries = &[
    ("0", "The server was stopped by SIGINT or SIGTERM, or what was to be printed was printed."),
    (
        "1",
        "The server could not start or go on: a directory, an address, a certificate or a user \
         cannot be used, or the system refuses a process. Or what was to be printed could not be; \
         standard output that is closed counts as /dev/null. A line on standard error says why.",
    ),
    (
        "2",
        "The command line is wrong: a word of it, or options that do not go together, or with a \
         -d that names a file. Or a file of --tls-password-file, --auth-file or --error-page \
         cannot be used; clients could read a key, a password or hashes in the directory, or \
         replace what decides who may enter; passwords would cross a network in clear text; or \
         everybody on one could upload files. A line on standard error says why.",
    ),
    ("128+N", "Signal N ended the server, as shells report it: 129 for SIGHUP, 131 for SIGQUIT."),
];

pub(crate) const ENVIRONMENT: Entries = &[
    (
        "TZ, TZDIR",
        "The time zone of the log, and the directory of the files that describe time zones, as for \
         other programs.",
    ),
    (
        "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
        "The socket that systemd has opened for the server: see systemd.socket(5). It takes the \
         place of the port, which must not be given then.",
    ),
    (
        "NOTIFY_SOCKET",
        "Where systemd wants to be told that clients are served and that the server stops: \
         Type=notify in systemd.service(5).",
    ),
    (
        "WATCHDOG_USEC, WATCHDOG_PID",
        "How often systemd wants to be told that the server works: WatchdogSec= in \
         systemd.service(5).",
    ),
    (
        "TMPDIR",
        "The directory for temporary files, which have no name there: chunked bodies of more than \
         64 KiB for CGI programs. /tmp by default.",
    ),
    (
        "PATH, LD_LIBRARY_PATH, LANG, LC_ALL, LC_CTYPE",
        "Are passed to CGI programs, and so are TZ and the variables of --cgi-env. Others are not.",
    ),
    ("NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM", "Whether the help on a terminal is highlighted."),
    ("COLUMNS", "The width of the help where no terminal has one, at most 100."),
];

pub(crate) const FILES: Entries = &[
    ("index.html, index.htm", "The page that answers for its directory, instead of a list."),
    ("/cgi-bin, /htbin", "The directories of CGI programs, below the one that is served."),
    ("/etc/localtime", "The time zone of the log if TZ is not set."),
];

pub(crate) const SEE_ALSO: &[(&str, &str)] = &[
    ("curl", "1"),
    ("htpasswd", "1"),
    ("openssl-passwd", "1"),
    ("openssl-req", "1"),
    ("python3", "1"),
    ("systemd.service", "5"),
    ("systemd.socket", "5"),
];
