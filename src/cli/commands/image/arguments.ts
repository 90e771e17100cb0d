import { type Flag, value } from "../../parser/flag.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";

export const imageArgument: Positional<string> = one("NAME", reference, "name of the image", {
  complete: "image",
});

export const nameFlag = (defaultText: string): Flag<string | undefined> =>
  value("name", "NAME", reference, "what --image will take", { default: defaultText });
