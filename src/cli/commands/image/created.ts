import type { ImageSummary } from "../../../types.ts";
import { shortImage } from "../../render/names.ts";
import { renderSize } from "../../render/quantity.ts";
import type { Session, Timed } from "../../session.ts";

/** Prints an image that was just made. */
export function printImage(session: Session, verb: string, { value, took }: Timed<ImageSummary>): void {
  session.result({
    json: value,
    text: () => `${verb} ${shortImage(value.name)} (${renderSize(value.usedBytes)} used) in ${took}\n`,
    quiet: () => `${value.name}\n`,
  });
}
