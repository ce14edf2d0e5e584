//! What clients do and when: words `AT:WHAT`, and scripts that have a name.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::Failure;

/// The clients of one run, in the order of their lanes.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) title: String,
    pub(crate) steps: Vec<Step>,
    /// All times were so many times shorter.
    pub(crate) slower: u64,
}

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: At,
    pub(crate) what: What,
}

/// When a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Milliseconds after the start.
    Time(u64),
    /// When so many handlers have begun.
    Begun(usize),
    /// When so many clients have ended.
    Ended(usize),
}

/// What a client does. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Sleep(u64),
    Spin(u64),
    Silent(u64),
    Dribble(u64),
    SlowReader(u64),
    Leave(u64),
    Panic,
    Abort,
    Count,
    Leak(u64),
    Big,
    Get(String),
    Post(String),
}

/// Scripts with a name: its button, what it shows, its words.
pub(crate) const NAMED: [(&str, &str, &str); 9] = [
    (
        "slow",
        "One slow client, then quick ones",
        "0:sleep=1500 100:sleep=0 200:sleep=0 300:sleep=700 400:sleep=0 500:sleep=0",
    ),
    (
        "flood",
        "Five clients at once",
        "0:sleep=700 20:sleep=700 40:sleep=700 60:sleep=700 80:sleep=700",
    ),
    (
        "preconnect",
        "A client that connects and says nothing, as browsers do",
        "0:silent=1500 100:sleep=200 200:sleep=200 300:sleep=0 400:sleep=0",
    ),
    (
        "slowloris",
        "Clients that send their requests byte by byte",
        "0:dribble=2000 20:dribble=2000 40:dribble=2000 150:sleep=200 300:sleep=0 450:sleep=0",
    ),
    (
        "reader",
        "A client that reads a large response slowly",
        "0:slow-reader=1500 100:sleep=0 200:sleep=0 300:big 400:sleep=0",
    ),
    (
        "panic",
        "A handler that panics",
        "0:sleep=600 50:sleep=600 100:panic 200:sleep=300 900:sleep=0",
    ),
    (
        "crash",
        "A handler that takes its process down",
        "0:sleep=500 50:sleep=900 250:abort 300:sleep=300 1600:sleep=200 1650:sleep=200",
    ),
    (
        "state",
        "A counter in the handler: who sees visit 6?",
        "0:count 150:count 300:count 450:count 600:count 750:count",
    ),
    (
        "spin",
        "Handlers that compute: a processor runs one at a time",
        "0:spin=400 20:spin=400 40:spin=400 60:spin=400",
    ),
];

/// A time or a size beyond this is a slip of the keyboard.
const MOST: u64 = 60_000;

/// Memory that a script may take for good.
pub(crate) const MOST_MIB: u64 = 1024;

const MOST_CLIENTS: usize = 200;

/// How long a client that leaves would have been served, beyond its stay.
pub(crate) const UNFINISHED: u64 = 1000;

const WORDS: &str = "sleep=MS, spin=MS, silent, dribble, slow-reader, leave, panic, abort, count, \
                     leak=MIB, big, get=PATH, post=PATH";

/// What `--help` says of them.
pub(crate) fn help() -> String {
    let mut help = "Scripts:\n".to_owned();
    for (name, about, _) in NAMED {
        let _ = writeln!(help, "  {name:<11} {about}");
    }
    help + "\nClients of your own, AT:WHAT, with spaces between them:
  AT          milliseconds after the start; begunN when so many handlers have begun, endedN when so
              many clients have ended
  sleep=MS, spin=MS    the handler sleeps or computes
  silent, dribble, slow-reader, leave [=MS]
              a client that says nothing, sends byte by byte, reads slowly, does not wait
  panic, abort, leak=MIB
              the handler panics, takes its process down, keeps memory for good
  count, big  the handler counts visits, sends 16 MiB
  get=PATH, post=PATH  for servers of yours"
}

impl Script {
    /// A script's name, or words that are separated by spaces or commas.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let words: Vec<_> = text.split([' ', ',', '\n']).filter(|word| !word.is_empty()).collect();
        if let [name] = words[..]
            && !name.contains(':')
        {
            let named = NAMED.iter().find(|(known, ..)| *known == name);
            let names: Vec<_> = NAMED.iter().map(|(known, ..)| *known).collect();
            let (name, _, words) = named.ok_or_else(|| {
                Failure(format!("no script '{name}': {}, or words AT:WHAT", names.join(", ")))
            })?;
            return Ok(Self { title: (*name).to_owned(), ..Self::parse(words)? });
        }
        let steps: Vec<Step> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
        let leaks =
            steps.iter().map(|step| if let What::Leak(size) = step.what { size } else { 0 });
        if leaks.sum::<u64>() > MOST_MIB {
            return Err(Failure(format!("all leaks together are {MOST_MIB} MiB at most")));
        }
        match steps.len() {
            0 => Err(Failure("a script has at least one client, such as 0:sleep=100".to_owned())),
            1..=MOST_CLIENTS => Ok(Self { title: words.join(" "), steps, slower: 1 }),
            count => Err(Failure(format!("{count} clients are too many, {MOST_CLIENTS} at most"))),
        }
    }

    /// What a page or a picture of it is called.
    pub(crate) fn headline(&self) -> String {
        let headline = "The same clients under each strategy";
        // Words are shown below.
        if self.title.contains(':') {
            return headline.to_owned();
        }
        format!("{headline}: {}", self.title)
    }

    /// The words, as they were or as they could have been written.
    pub(crate) fn words(&self) -> String {
        let words: Vec<_> = self.steps.iter().map(Step::to_string).collect();
        words.join(" ")
    }

    /// The same with all times so many times as long.
    pub(crate) fn slowed(mut self, factor: u64) -> Self {
        self.slower *= factor;
        for step in &mut self.steps {
            if let At::Time(at) = &mut step.at {
                *at *= factor;
            }
            if let What::Sleep(time)
            | What::Spin(time)
            | What::Silent(time)
            | What::Dribble(time)
            | What::SlowReader(time)
            | What::Leave(time) = &mut step.what
            {
                *time *= factor;
            }
        }
        self
    }

    /// How many milliseconds it takes where one client is served after the other.
    pub(crate) fn longest(&self) -> u64 {
        self.steps.iter().fold(0, |end, step| {
            let start = if let At::Time(at) = step.at { end.max(at) } else { end };
            start + step.what.time()
        })
    }

    /// Whether its clients compete for processors.
    pub(crate) fn computes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.what, What::Spin(_)))
    }
}

impl FromStr for Step {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure(format!("'{word}': {why}"));
        let Some((at, what)) = word.split_once(':') else {
            return Err(bad("a client is AT:WHAT, such as 100:sleep=500"));
        };
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| *number <= MOST);
            number.ok_or_else(|| bad(&format!("'{text}' is no whole number up to {MOST}")))
        };
        let count = |text: &str| number(text).map(|count| usize::try_from(count).unwrap_or(0));
        let at = match (at.strip_prefix("begun"), at.strip_prefix("ended")) {
            (Some(begun), _) => At::Begun(count(begun)?),
            (_, Some(ended)) => At::Ended(count(ended)?),
            _ => At::Time(number(at)?),
        };
        let (name, value) = match what.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (what, None),
        };
        let path = |value: Option<&str>| {
            let path = value.filter(|path| path.starts_with('/') && path.is_ascii());
            path.map(str::to_owned).ok_or_else(|| bad("the path begins with a slash"))
        };
        let time = |default: Option<u64>| match (value, default) {
            (Some(value), _) => number(value),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(bad("it says not how long, in milliseconds")),
        };
        let bare = |what: What| match value {
            None => Ok(what),
            Some(_) => Err(bad(&format!("{name} takes no value"))),
        };
        let what = match name {
            "sleep" => What::Sleep(time(None)?),
            "spin" => What::Spin(time(None)?),
            "silent" => What::Silent(time(Some(1500))?),
            "dribble" => What::Dribble(time(Some(1200))?),
            "slow-reader" => What::SlowReader(time(Some(1500))?),
            "leave" => What::Leave(time(Some(300))?),
            "panic" => bare(What::Panic)?,
            "abort" => bare(What::Abort)?,
            "count" => bare(What::Count)?,
            "big" => bare(What::Big)?,
            "leak" => match value.map(number).transpose()? {
                Some(size @ ..=MOST_MIB) => What::Leak(size),
                _ => return Err(bad(&format!("leak=MIB takes up to {MOST_MIB}"))),
            },
            "get" => What::Get(path(value)?),
            "post" => What::Post(path(value)?),
            _ => return Err(bad(&format!("no client does '{name}': {WORDS}"))),
        };
        Ok(Self { at, what })
    }
}

impl What {
    /// How long it takes at least.
    fn time(&self) -> u64 {
        match self {
            Self::Sleep(time)
            | Self::Spin(time)
            | Self::Silent(time)
            | Self::Dribble(time)
            | Self::SlowReader(time) => *time,
            Self::Leave(time) => time + UNFINISHED,
            _ => 0,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Time(at) => write!(f, "{at}:{}", self.what),
            At::Begun(count) => write!(f, "begun{count}:{}", self.what),
            At::Ended(count) => write!(f, "ended{count}:{}", self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sleep(time) => write!(f, "sleep={time}"),
            Self::Spin(time) => write!(f, "spin={time}"),
            Self::Silent(time) => write!(f, "silent={time}"),
            Self::Dribble(time) => write!(f, "dribble={time}"),
            Self::SlowReader(time) => write!(f, "slow-reader={time}"),
            Self::Leave(time) => write!(f, "leave={time}"),
            Self::Panic => f.write_str("panic"),
            Self::Abort => f.write_str("abort"),
            Self::Count => f.write_str("count"),
            Self::Leak(size) => write!(f, "leak={size}"),
            Self::Big => f.write_str("big"),
            Self::Get(path) => write!(f, "get={path}"),
            Self::Post(path) => write!(f, "post={path}"),
        }
    }
}
