import { type FileHandle, open } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";

/** A member of an ar archive: where its content lies in the file. */
export interface ArMember {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const magic = "!<arch>\n";
const headerSize = 60;
/** A Debian package has three, ar archives of other kinds may have thousands. */
const memberLimit = 64;

/** The members of the ar archive that every .deb is (deb(5)). Throws `image-invalid` when it is none, or cut short. */
export async function readArMembers(path: string): Promise<readonly ArMember[]> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const head = await readAt(file, 0, magic.length);
  if (head.toString("latin1") !== magic) throw broken(path, "it is no Debian package");
  const members: ArMember[] = [];
  for (let at = magic.length; at + headerSize <= size; ) {
    const member = readHeader(path, await readAt(file, at, headerSize), at + headerSize);
    if (member.offset + member.size > size) throw broken(path, "it is cut short");
    if (members.length === memberLimit) throw broken(path, "it has too many members");
    members.push(member);
    at = member.offset + member.size + (member.size % 2); // members begin at even offsets
  }
  return members;
}

function readHeader(path: string, header: Buffer, offset: number): ArMember {
  const size = header.toString("latin1", 48, 58).trimEnd();
  if (header.toString("latin1", 58, 60) !== "`\n" || !/^[0-9]{1,10}$/.test(size)) {
    throw broken(path, `there is no header at byte ${offset - headerSize}`);
  }
  return { name: header.toString("latin1", 0, 16).trimEnd().replace(/\/$/, ""), offset, size: Number(size) };
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function broken(path: string, detail: string): EmberError {
  return new EmberError("image-invalid", `the package '${path}' cannot be read: ${detail}`);
}
