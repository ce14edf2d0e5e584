//! The form by which people upload files from a listing.
//!
//! It works without its script, which shows how far the files are.

use crate::http::files::directory::Directory;

/// Tells whether a listing has the form.
pub(super) fn is_in(directory: &Directory<'_>) -> bool {
    cfg!(feature = "forms") && directory.may_take_files()
}

/// The form. It is sent to the page's own address.
pub(super) fn push(page: &mut String) {
    page.extend([FORM, "<script>", SCRIPT, "</script>\n"]);
}

/// What the policy of the page allows beside the rest: the script, by its hash, and that it sends
/// files to where the page is from.
pub(super) const POLICY: &str =
    "; connect-src 'self'; script-src 'sha256-xvauerAQG0EKiTiauVTWnMAtYmduTFRtAviP2Ap1YyQ='";

const FORM: &str = "\
<form method=\"post\" enctype=\"multipart/form-data\">
<label>Files <input type=\"file\" name=\"file\" multiple required></label>
<button>Upload</button>
<progress value=\"0\" aria-label=\"Progress of the upload\" hidden></progress>
<p role=\"status\"></p>
</form>
";

/// Sends the form itself, to know how far it is. What went wrong is told below the form, where some
/// files were taken when the page has come anew; otherwise that comes at once. The text of an error
/// page is taken without its styles, which the policy of this page would refuse aloud.
const SCRIPT: &str = "
const form = document.querySelector('form');
const [button, bar, said] =
  ['button', 'progress', 'p'].map(name => form.querySelector(name));
said.textContent = history.state || '';
history.replaceState(null, '');
form.addEventListener('submit', event => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  const end = text => {
    bar.hidden = true;
    button.disabled = false;
    said.textContent = text;
  };
  request.upload.onprogress = step => {
    if (step.lengthComputable) bar.value = step.loaded / step.total;
  };
  request.onload = () => {
    if (request.status < 300) return location.reload();
    const bare = request.responseText.replace(
      /^[^]*?<body\\b[^>]*>|<(style|script)\\b[^]*?<\\/\\1\\s*>|<[^>]*>/gi, ' ');
    const page = new DOMParser().parseFromString(bare, 'text/html');
    const text = page.body.textContent.replace(/\\s+/g, ' ').trim();
    if (!/: uploaded\\b|stored before/.test(text)) return end(text);
    history.replaceState(text, '');
    location.reload();
  };
  request.onerror = () => end('The upload failed.');
  request.open('POST', '');
  request.send(new FormData(form));
  bar.value = 0;
  bar.hidden = false;
  button.disabled = true;
  said.textContent = '';
});
";

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_policy_has_the_hash_of_the_script() {
        let hash = data_encoding::BASE64.encode(&Sha256::digest(SCRIPT));
        assert!(POLICY.ends_with(&format!(" 'sha256-{hash}'")), "sha256-{hash}");
    }
}
