//! `--roots FILE`: trust anchors in PEM.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Reads a file of PEM certificates, as DER. An error is a sentence that names the file.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        match certificate {
            Ok(certificate) => roots.push(certificate.to_vec()),
            Err(error) => return Err(format!("{}: is no PEM: {error}", path.display())),
        }
    }
    if roots.is_empty() {
        return Err(format!(
            "{}: holds no PEM certificate (-----BEGIN CERTIFICATE-----)",
            path.display()
        ));
    }
    Ok(roots)
}
