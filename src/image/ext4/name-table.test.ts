import { expect, test } from "bun:test";
import { type NameList, NameTable } from "./name-table.ts";

interface Given {
  readonly inode: number;
  layer: number;
}

const newList = (id: number): NameList => ({ id, first: 0, last: 0 });

function listed(table: NameTable, list: NameList): [string, Given][] {
  const names: [string, Given][] = [];
  for (let name = list.first; name !== 0; name = table.next(name))
    names.push([table.text(name), { inode: table.inode(name), layer: table.layer(name) }]);
  return names;
}

/** The same numbers every time. */
function dice(): (sides: number) => number {
  let state = 1;
  return (sides) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % sides;
  };
}

test("holds what maps of names hold, in their order, whatever is added, given again and removed", () => {
  const roll = dice();
  const table = new NameTable();
  const folders = Array.from({ length: 5 }, (_, id) => ({
    list: newList(id),
    map: new Map<string, Given>(),
  }));
  for (let step = 1; step < 40_000; step++) {
    const { list, map } = folders[roll(folders.length)] ?? {
      list: newList(9),
      map: new Map<string, Given>(),
    };
    const text = roll(10) === 0 ? "\u0000\u00ff".repeat(roll(100)) : `name-${roll(2000)}`;
    const there = table.find(list, text);
    expect(there !== 0).toBe(map.has(text));
    const known = map.get(text);
    if (known === undefined) {
      table.add(list, text, step, step % 7);
      map.set(text, { inode: step, layer: step % 7 });
    } else if (roll(3) === 0) {
      table.setLayer(there, step);
      known.layer = step;
    } else {
      table.remove(list, there);
      map.delete(text);
    }
  }
  for (const { list, map } of folders) expect(listed(table, list)).toEqual([...map]);
  expect(table.count).toBe(folders.reduce((sum, { map }) => sum + map.size, 0));
});

test("finds each of many names, of the longest too", () => {
  const table = new NameTable();
  const list = newList(1);
  const text = (index: number): string => `${index}`.padEnd(255, "x");
  for (let index = 0; index < 20_000; index++) table.add(list, text(index), index, 0);
  for (let index = 0; index < 20_000; index++) expect(table.inode(table.find(list, text(index)))).toBe(index);
  expect(table.find(list, text(20_000))).toBe(0);
  expect(table.find(newList(2), text(0))).toBe(0);
});
