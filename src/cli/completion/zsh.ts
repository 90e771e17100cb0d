import type { Described } from "./describe.ts";
import { posixTables } from "./posix.ts";

export const zshScript = (commands: readonly Described[]): string => `#compdef ember
# ember completion for zsh: put it into a folder of fpath as _ember

${posixTables(commands)}

_ember_describe_children() {
  local -a described
  case "$1" in
${commands
  .filter((command) => command.children.length > 0)
  .map((group) => `    "${group.path}") described=(${group.children.map(describedChild).join(" ")}) ;;`)
  .join("\n")}
  esac
  _describe command described
}

_ember_offer() {
  case "$1" in
    vm | image | kernel) compadd -- \${(f)"$("\${words[1]}" __complete "$1" 2>/dev/null)"} ;;
    snapshot) compadd -- \${(f)"$("\${words[1]}" __complete snapshot "$2" 2>/dev/null)"} ;;
    file) _files ;;
    words:*) compadd -- \${=1#words:} ;;
  esac
}

_ember() {
  local current="\${words[CURRENT]}" route="" flag="" first="" word index kind
  local -i place=0
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    if [[ -n "$flag" ]]; then
      flag=""
    elif [[ "$word" == "--" ]]; then
      _files
      return
    elif [[ "$word" == -* ]]; then
      if _ember_value_kind "$route" "$word" >/dev/null; then flag="$word"; fi
    elif [[ -n "$(_ember_children "$route")" ]] && _ember_is_route "\${route:+$route }$word"; then
      route="\${route:+$route }$word"
    else
      if (( place == 0 )); then first="$word"; fi
      place+=1
    fi
  done
  if [[ -n "$flag" ]]; then
    kind="$(_ember_value_kind "$route" "$flag")"
    _ember_offer "$kind"
  elif [[ "$current" == -* ]]; then
    compadd -- \${=$(_ember_flags "$route")}
  elif [[ -n "$(_ember_children "$route")" ]]; then
    _ember_describe_children "$route"
  else
    _ember_offer "$(_ember_argument_kind "$route" "$place")" "$first"
  fi
}

if [ "$funcstack[1]" = "_ember" ]; then
  _ember "$@"
else
  compdef _ember ember
fi
`;

const describedChild = ({ name, summary }: { name: string; summary: string }): string =>
  `'${name}:${summary.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
