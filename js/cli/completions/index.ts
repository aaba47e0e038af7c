/** Completions for the four shells. They know commands, options and fixed values; where a file is meant, the shell completes it. */
import type { Command, Option } from 'commander'

import { STATUSES } from '../filter.js'

export const SHELLS = { bash, zsh, fish, powershell }
export type Shell = keyof typeof SHELLS

interface Known {
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly flags: string[]; readonly summary: string; readonly values: readonly string[] | 'file' | 'any' | null }[]
  readonly words: readonly string[]
}

function known(command: Command): Known {
  const options = command.createHelp().visibleOptions(command)
  return {
    name: command.name(),
    summary: command.summary(),
    options: options.map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      summary: option.description,
      values: values(option),
    })),
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  }
}

/** What stands behind an option: fixed values, a file, anything, or nothing. */
function values(option: Option): readonly string[] | 'file' | 'any' | null {
  if (option.argChoices !== undefined) return option.argChoices
  if (option.long === '--status') return STATUSES
  if (!option.required && !option.optional) return null
  return /<(file|folder)>/.test(option.flags) ? 'file' : 'any'
}

function bash(commands: readonly Command[]): string {
  const all = commands.map(known)
  const cases = all.map(({ name, options, words }) => {
    const behind = options
      .filter(({ values: given }) => given !== null)
      .map(({ flags, values: given }) => `        ${flags.join('|')}) ${given === 'file' ? 'COMPREPLY=($(compgen -f -- "$word"))' : given === 'any' ? 'COMPREPLY=()' : `COMPREPLY=($(compgen -W '${(given ?? []).join(' ')}' -- "$word"))`}; return ;;\n`)
    return `    ${name})
      case $before in
${behind.join('')}      esac
      words='${[...options.flatMap(({ flags }) => flags), ...words].join(' ')}'
      ;;
`
  })
  return `# bash completions of hl7-outbox
_hl7_outbox() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${[...all.map(({ name }) => name), 'help', '--help', '--version'].join(' ')}' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('')}    help) words='${all.map(({ name }) => name).join(' ')}' ;;
  esac
  if [[ $word == -* || -n $words && \${COMP_WORDS[1]} =~ ^(help|completions)$ ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _hl7_outbox hl7-outbox
`
}

const single = (text: string): string => text.replaceAll("'", "'\\''")

function zsh(commands: readonly Command[]): string {
  const all = commands.map(known)
  const inBrackets = (text: string): string => single(text).replaceAll(/[[\]:\\]/g, '\\$&')
  const cases = all.map(({ name, options, words }) => {
    const specs = options.flatMap(({ flags, summary, values: given }) => {
      const behind = given === null ? '' : given === 'file' ? ':file:_files' : given === 'any' ? ':value:' : `:value:(${given.join(' ')})`
      return flags.map((flag) => `        '*${flag}[${inBrackets(summary)}]${behind}'`)
    })
    return `    ${name})
      _arguments \\
${[...specs, `        '*:word:${words.length === 0 ? '_files' : `(${words.join(' ')})`}'`].join(' \\\n')}
      ;;
`
  })
  return `#compdef hl7-outbox
# zsh completions of hl7-outbox
_hl7_outbox() {
  local -a commands
  commands=(
${all.map(({ name, summary }) => `    '${name}:${single(summary)}'`).join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  ((CURRENT--))
  case $name in
${cases.join('')}    help) _describe command commands ;;
  esac
}
if [[ $funcstack[1] == _hl7_outbox || $funcstack[1] == _hl7-outbox ]]; then _hl7_outbox "$@"; else compdef _hl7_outbox hl7-outbox; fi
`
}

function fish(commands: readonly Command[]): string {
  const text = (words: string): string => words.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const lines = commands.map(known).flatMap(({ name, summary, options, words }) => [
    `complete -c hl7-outbox -n __fish_use_subcommand -f -a ${name} -d '${text(summary)}'`,
    ...options.map(({ flags, summary: about, values: given }) => {
      const [short, long] = [flags.find((flag) => !flag.startsWith('--')), flags.find((flag) => flag.startsWith('--'))]
      const names = `${short === undefined ? '' : ` -s ${short.slice(1)}`}${long === undefined ? '' : ` -l ${long.slice(2)}`}`
      const behind = given === null ? '' : given === 'file' ? ' -r -F' : given === 'any' ? ' -x' : ` -x -a '${given.join(' ')}'`
      return `complete -c hl7-outbox -n '__fish_seen_subcommand_from ${name}'${names}${behind} -d '${text(about)}'`
    }),
    ...(words.length === 0 ? [] : [`complete -c hl7-outbox -n '__fish_seen_subcommand_from ${name}' -f -a '${words.join(' ')}'`]),
  ])
  return `# fish completions of hl7-outbox\n${lines.join('\n')}\n`
}

function powershell(commands: readonly Command[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "''").replaceAll('’', '’’')}'`
  const list = (texts: readonly string[]): string => `@(${texts.map(quoted).join(', ')})`
  const all = commands.map(known)
  const options = all.map(({ name, options: of, words }) => `    ${quoted(name)} = ${list([...of.flatMap(({ flags }) => flags), ...words])}`)
  const fixed = new Map(all.flatMap(({ options: of }) => of).flatMap(({ flags, values: given }) => (Array.isArray(given) ? flags.map((flag): [string, readonly string[]] => [flag, given as readonly string[]]) : [])))
  return `# PowerShell completions of hl7-outbox
Register-ArgumentCompleter -Native -CommandName hl7-outbox -ScriptBlock {
  param($word, $line, $position)
  $commands = [ordered]@{
${all.map(({ name, summary }) => `    ${quoted(name)} = ${quoted(summary)}`).join('\n')}
  }
  $options = @{
${options.join('\n')}
  }
  $values = @{
${[...fixed].map(([flag, given]) => `    ${quoted(flag)} = ${list(given)}`).join('\n')}
  }
  $before = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { "$_" })
  if ($before.Count -le 1) { $found = @($commands.Keys) }
  elseif ($values.ContainsKey($before[-1])) { $found = $values[$before[-1]] }
  else { $found = $options[$before[1]] }
  $found | Where-Object { $_ -like "$word*" } | ForEach-Object {
    $about = if ($before.Count -le 1) { $commands[$_] } else { $_ }
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $about)
  }
}
`
}
