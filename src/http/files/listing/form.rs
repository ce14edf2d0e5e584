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
    "; connect-src 'self'; script-src 'sha256-cPcYBZANdqP8E8n9/WEHBaerQp2jZMp/+M2aUUhXkLk='";

const FORM: &str = "\
<form method=\"post\" enctype=\"multipart/form-data\">
<label>Files <input type=\"file\" name=\"file\" multiple required></label>
<button>Upload</button>
<progress value=\"0\" aria-label=\"Progress of the upload\" hidden></progress>
<p role=\"status\"></p>
</form>
";

/// Sends the form itself, to know how far it is. What went wrong is told below the form; otherwise
/// the page comes anew.
const SCRIPT: &str = "
const form = document.querySelector('form');
form.addEventListener('submit', event => {
  event.preventDefault();
  const [button, bar, said] =
    ['button', 'progress', 'p'].map(name => form.querySelector(name));
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
    const page = new DOMParser().parseFromString(request.responseText, 'text/html');
    page.querySelectorAll('style').forEach(style => style.remove());
    end(page.body.textContent.replace(/\\s+/g, ' ').trim());
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
