//! `peer-rouille PORT [UPLOADS]`: rouille; a form's files are written into the folder UPLOADS.

use std::fs::File;
use std::io::copy;

use rouille::input::multipart::get_multipart_input;
use rouille::{Request, Response, Server};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let uploads = words.get(1).cloned();
    let handle = move |request: &Request| match &uploads {
        Some(folder) if request.method() == "POST" => store(request, folder),
        _ => Response::text("Hello, World!"),
    };
    Server::new(format!("127.0.0.1:{}", words[0]), handle).expect("a free port").run();
}

fn store(request: &Request, folder: &str) -> Response {
    let Ok(mut form) = get_multipart_input(request) else {
        return Response::text("not a form").with_status_code(400);
    };
    let mut stored = 0;
    while let Some(mut field) = form.next() {
        let mut file = File::create(format!("{folder}/rouille.up")).expect("a file");
        stored += copy(&mut field.data, &mut file).unwrap_or(0);
    }
    Response::text(stored.to_string())
}
