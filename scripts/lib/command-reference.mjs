// docs/commands.md from the declarations of the commands.
import { createRequire } from 'node:module'

/** The page about every command. */
export async function commandsPage(writtenBy, root) {
  const require = createRequire(`${root}/package.json`)
  const { everything } = require('./dist/cli/registry.js')
  const { examplesOf } = require('./dist/cli/command.js')
  const sections = (await everything()).map((command) => section(command, examplesOf(command)))
  return `# Commands

${writtenBy}

Every command with its arguments, options and examples, as \`hl7-outbox COMMAND --help\` shows them. What they have in common is in
[command-line.md](command-line.md).

${sections.join('\n')}`
}

function section(command, examples) {
  const words = command.registeredArguments.map((each) => [`\`${each.required ? `<${each.name()}${each.variadic ? '...' : ''}>` : `[${each.name()}${each.variadic ? '...' : ''}]`}\``, each.description])
  const options = command.options.filter((option) => !option.hidden).map((option) => [`\`${option.flags}\``, described(option)])
  return `## ${command.name()}

${cell(command.description())}

\`\`\`text
hl7-outbox ${command.name()} ${command.usage()}
\`\`\`

${table(['argument or option', ''], [...words, ...options])}

\`\`\`sh
${examples.map((line) => `hl7-outbox ${line}`).join('\n')}
\`\`\`
`
}

function described({ description, argChoices, defaultValue, defaultValueDescription }) {
  const choices = argChoices === undefined ? '' : `: ${argChoices.map((each) => `\`${each}\``).join(', ')}`
  const standard = defaultValue === undefined ? '' : `; default \`${defaultValueDescription ?? defaultValue}\``
  return `${cell(description)}${choices}${standard}`
}

/** Angle brackets would be HTML. */
const cell = (text) => text.replaceAll('<', '&lt;').replaceAll('|', '\\|')

function table(heading, rows) {
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
