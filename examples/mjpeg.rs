//! The pictures of a camera as one response: a multipart stream, after picamera's web streaming.
//!
//! Run: `cargo run --example mjpeg -- 8000`
//! Try: `curl -s http://127.0.0.1:8000/ | head -c 200`, or a browser

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{env, thread};

use socketserver::ThreadingHttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

/// What the camera has recorded last, and how many frames it has recorded.
#[derive(Default)]
struct StreamingOutput {
    last: Mutex<(u64, Arc<[u8]>)>,
    condition: Condvar,
}

impl StreamingOutput {
    fn write(&self, frame: Arc<[u8]>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (last.0 + 1, frame);
        self.condition.notify_all();
    }

    fn next_frame(&self) -> Arc<[u8]> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let number = last.0;
        let is_old = |last: &mut (u64, Arc<[u8]>)| last.0 == number;
        let last = self.condition.wait_while(last, is_old).unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&last.1)
    }
}

struct StreamingHandler {
    output: Arc<StreamingOutput>,
}

impl HttpRequestHandler for StreamingHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Cache-Control", "no-cache, private")?;
        http.send_header("Content-Type", "multipart/x-mixed-replace; boundary=FRAME")?;
        http.end_headers()?;
        // A stream without an end: stops when the client leaves or the server does.
        while !http.is_draining() {
            let frame = self.output.next_frame();
            let length = frame.len();
            let head = format!("Content-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
            http.wfile.write_all(&[b"--FRAME\r\n", head.as_bytes(), &frame, b"\r\n"].concat())?;
        }
        Ok(())
    }
}

/// Stands for a camera: ten times a second the same picture.
fn record(output: &StreamingOutput) {
    let picture = Arc::<[u8]>::from(*include_bytes!("server_evolution/test.jpg"));
    loop {
        output.write(Arc::clone(&picture));
        thread::sleep(Duration::from_millis(100));
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let output = Arc::<StreamingOutput>::default();
    let handler = StreamingHandler { output: Arc::clone(&output) };
    let mut server = ThreadingHttpServer::bind(address, handler)?;
    thread::spawn(move || record(&output));
    println!("Streaming on http://{}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
