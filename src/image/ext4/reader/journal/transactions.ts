import {
  blockTypes,
  hasValidTail,
  headerOf,
  isAfter,
  isValidCommit,
  type JournalSuperblock,
  parseRevoked,
  parseTags,
  type Tag,
} from "./format.ts";
import { type Log, onward } from "./log.ts";

/** A block that a transaction writes, and where in the log its content stands. */
export interface LoggedBlock {
  readonly tag: Tag;
  readonly position: number;
  readonly sequence: number;
}

export interface Transactions {
  /** In the order in which they were written. */
  readonly blocks: readonly LoggedBlock[];
  /** The last transaction that told to leave a block alone, as far as earlier ones and itself would write it. */
  readonly revoked: ReadonlyMap<number, number>;
}

/**
 * Everything that committed transactions say. The log ends at the first block that does not go on with it, and a
 * transaction without its commit was never made.
 */
export async function readTransactions(journal: JournalSuperblock, log: Log): Promise<Transactions> {
  const blocks: LoggedBlock[] = [];
  const revoked = new Map<number, number>();
  let pending: { blocks: LoggedBlock[]; revoked: number[] } = { blocks: [], revoked: [] };
  let sequence = journal.sequence;
  let position = journal.start;
  for (let walked = 0; walked < journal.end - journal.first; ) {
    const block = await log.read(position);
    const header = headerOf(block);
    if (header === undefined || header.sequence !== sequence) break;
    let steps = 1;
    if (header.type === blockTypes.descriptor) {
      const tags = hasValidTail(journal, block) ? parseTags(journal, block) : undefined;
      if (tags === undefined) break;
      for (const [index, tag] of tags.entries())
        pending.blocks.push({ tag, position: onward(journal, position, index + 1), sequence });
      steps += tags.length;
    } else if (header.type === blockTypes.revoke) {
      const targets = hasValidTail(journal, block) ? parseRevoked(journal, block) : undefined;
      if (targets === undefined) break;
      for (const target of targets) pending.revoked.push(target);
    } else if (header.type === blockTypes.commit && isValidCommit(journal, block)) {
      for (const logged of pending.blocks) blocks.push(logged);
      for (const target of pending.revoked) {
        const known = revoked.get(target);
        if (known === undefined || isAfter(sequence, known)) revoked.set(target, sequence);
      }
      pending = { blocks: [], revoked: [] };
      sequence = (sequence + 1) >>> 0;
    } else break;
    walked += steps;
    position = onward(journal, position, steps);
  }
  return { blocks, revoked };
}
