/**
 * Public keys that Debian signs its stable releases with, for hosts that do not have them. Taken from the package
 * debian-archive-keyring 2023.3+deb12u2 and stripped to what checking needs (gpg --export-options export-minimal).
 */
const keys = [
  // Debian Stable Release Key (12/bookworm): 4D64 FEC1 19C2 0290 67D6  E791 F8D2 585B 8783 D481
  `mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzrcrf6AEq0SURl
   YmlhbiBTdGFibGUgUmVsZWFzZSBLZXkgKDEyL2Jvb2t3b3JtKSA8ZGViaWFuLXJlbGVhc2VAbGlz
   dHMuZGViaWFuLm9yZz6IlgQTFggAPhYhBE1k/sEZwgKQZ9bnkfjSWFuHg9SBBQJjzrlTAhsDBQkP
   CZwABQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEPjSWFuHg9SBSgwBAP9qpeO5z1s5m4D4z3Tc
   qDo1wez6DNya27QWWoG/4oBsAQCEN8Z00DXagPHbwrvsY2t9BCsT+PgnSn9biobwX7bDDg==`,
  // Debian Stable Release Key (13/trixie): 4158 7F7D B8C7 74BC CF13  1416 762F 67A0 B2C3 9DE4
  `mDMEZ+Gq1RYJKwYBBAHaRw8BAQdARlh1OX84KPJRedAP/M7WxPFEthWypAp8nvedFhqaX0q0R0Rl
   YmlhbiBTdGFibGUgUmVsZWFzZSBLZXkgKDEzL3RyaXhpZSkgPGRlYmlhbi1yZWxlYXNlQGxpc3Rz
   LmRlYmlhbi5vcmc+iJYEExYIAD4WIQRBWH99uMd0vM8TFBZ2L2egssOd5AUCZ+Gq1QIbAwUJDwmc
   AAULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRB2L2egssOd5DjVAP49S/e9VAtn9ip2DXj5zx87
   MpUXnLHAhT/LsJ7JodnKoQEA8murEqdcC0pPsAA6Gmev/lz0MWUyfe5Y6DMB6t16FQs=`,
];

/** The keys as gpgv takes them: binary, one after the other. */
export const archiveKeys = (): Buffer => Buffer.concat(keys.map((key) => Buffer.from(key, "base64")));
