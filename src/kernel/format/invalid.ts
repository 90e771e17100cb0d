import { EmberError } from "../../errors/ember-error.ts";

const usualHint =
  "give a bzImage or vmlinux (x86-64) or an Image (arm64), or fetch one: ember kernel pull debian";

/** `detail` continues "the file ...": "is a text file". */
export function invalidKernel(detail: string, hint: string = usualHint): EmberError {
  return new EmberError("kernel-invalid", `the file is not a kernel that can be booted: it ${detail}`, {
    hint,
  });
}
