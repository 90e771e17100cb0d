import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";

export const kernelArgument: Positional<string> = one("NAME", reference, "name of the kernel", {
  complete: "kernel",
});
