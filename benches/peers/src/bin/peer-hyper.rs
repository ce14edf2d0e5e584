//! `peer-hyper PORT [WORKERS]`: hyper 1 on tokio, with so many worker threads (2); 0 is the
//! runtime of one thread.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = words[0].parse().expect("a port");
    let workers: usize = words.get(1).map_or(2, |word| word.parse().expect("a number"));
    let runtime = match workers {
        0 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    };
    let serving = async move { tokio::spawn(serve(port)).await.expect("no panic") };
    runtime.expect("a runtime").block_on(serving);
}

async fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let _ = client.set_nodelay(true);
        tokio::spawn(async move {
            let served = http1::Builder::new();
            let _ = served.serve_connection(TokioIo::new(client), service_fn(hello)).await;
        });
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder().header(header::CONTENT_TYPE, "text/plain");
    Ok(response.body(Full::new(Bytes::from_static(b"Hello, World!"))).expect("a response"))
}
