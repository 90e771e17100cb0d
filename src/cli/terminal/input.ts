import { fstatSync } from "node:fs";

/** Standard input. */
export interface Input {
  readonly isTerminal: boolean;
  /** Loaded when first asked for; reading starts only then. */
  readonly stream: NodeJS.ReadableStream;
  /** Raw: every key goes to the reader as it is, Ctrl-C included. Does nothing where there is no terminal. */
  setRawMode(raw: boolean): void;
}

export function createInput(openStream: () => NodeJS.ReadStream): Input {
  let isTerminal: boolean | undefined;
  return {
    get isTerminal() {
      isTerminal ??= isCharacterDevice(0) && openStream().isTTY === true;
      return isTerminal;
    },
    get stream() {
      return openStream();
    },
    setRawMode(raw) {
      if (this.isTerminal) openStream().setRawMode(raw);
    },
  };
}

function isCharacterDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    return false; // a closed descriptor is no terminal
  }
}
