import type { Described } from "./describe.ts";
import { posixTables } from "./posix.ts";

/** Written for bash 3.2, which macOS has. */
export const bashScript = (
  commands: readonly Described[],
): string => `# ember completion for bash: source <(ember completion bash)

${posixTables(commands)}

_ember_offer() {
  local IFS=$' \\t\\n'
  case "$1" in
    vm | image | kernel) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete "$1" 2>/dev/null)" -- "$2")) ;;
    snapshot) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete snapshot "$3" 2>/dev/null)" -- "$2")) ;;
    file)
      compopt -o filenames 2>/dev/null
      local IFS=$'\\n'
      COMPREPLY=($(compgen -f -- "$2"))
      ;;
    words:*) COMPREPLY=($(compgen -W "\${1#words:}" -- "$2")) ;;
  esac
}

_ember() {
  local current="\${COMP_WORDS[COMP_CWORD]}" route="" flag="" first="" place=0 word index kind
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if [ "$word" = "=" ]; then
      continue
    elif [ -n "$flag" ]; then
      flag=""
    elif [ "$word" = "--" ]; then
      _ember_offer file "$current"
      return
    elif [ "\${word#-}" != "$word" ]; then
      if _ember_value_kind "$route" "$word" >/dev/null; then flag="$word"; fi
    elif [ -n "$(_ember_children "$route")" ] && _ember_is_route "\${route:+$route }$word"; then
      route="\${route:+$route }$word"
    else
      if [ "$place" = 0 ]; then first="$word"; fi
      place=$((place + 1))
    fi
  done
  if [ -n "$flag" ]; then
    if [ "$current" = "=" ]; then current=""; fi
    kind="$(_ember_value_kind "$route" "$flag")"
    _ember_offer "$kind" "$current"
  elif [ "\${current#-}" != "$current" ]; then
    COMPREPLY=($(compgen -W "$(_ember_flags "$route")" -- "$current"))
  elif [ -n "$(_ember_children "$route")" ]; then
    COMPREPLY=($(compgen -W "$(_ember_children "$route")" -- "$current"))
  else
    _ember_offer "$(_ember_argument_kind "$route" "$place")" "$current" "$first"
  fi
}

complete -F _ember ember
`;
