import { expect, test } from "bun:test";
import { plistText } from "./diskutil.ts";

test("a key's text is read as it was meant, and no other's", () => {
  const plist =
    "<dict>\n\t<key>FilesystemType</key>\n\t<string>apfs</string>\n\t<key>VolumeName</key>\n\t<string>Q&amp;A &lt;1&gt;</string>\n</dict>";
  expect(plistText(plist, "FilesystemType")).toBe("apfs");
  expect(plistText(plist, "VolumeName")).toBe("Q&A <1>");
  expect(plistText(plist, "MountPoint")).toBeUndefined();
});
