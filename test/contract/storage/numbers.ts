import { Database } from "../../../src/state/database.ts";
import { diskNumbers } from "../../../src/state/disk-numbers.ts";
import type { DiskNumbers, StorageContext } from "../../../src/storage/storage.ts";

/**
 * What a driver is given, with the numbers of its disks in a database in `folder`, as an installation keeps them, so
 * that another process has the same. Opened when a driver first asks: not every one does.
 */
export function contextIn(folder: string, notices: string[] = []): StorageContext & Disposable {
  let db: Database | undefined;
  const open = (): DiskNumbers => {
    db ??= Database.open(folder);
    return diskNumbers(db);
  };
  return {
    numbers: {
      take: (key, largest) => open().take(key, largest),
      find: (key) => open().find(key),
      free: (key) => open().free(key),
      all: () => open().all(),
    },
    notice: (line) => notices.push(line),
    [Symbol.dispose]: () => db?.[Symbol.dispose](),
  };
}
