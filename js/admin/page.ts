/** The page itself: a shell without any code in it, and the built files beside this one. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { html, SECURITY } from './http.js'

const FILES = { 'app.js': 'text/javascript; charset=utf-8', 'app.css': 'text/css; charset=utf-8' } as const
type File = keyof typeof FILES

const read = new Map<File, { bytes: Buffer; version: string }>()

function built(name: File): { bytes: Buffer; version: string } {
  let file = read.get(name)
  if (file === undefined) {
    const bytes = readFileSync(join(__dirname, 'page', name))
    file = { bytes, version: createHash('sha256').update(bytes).digest('base64url').slice(0, 12) }
    read.set(name, file)
  }
  return file
}

export function shell(base: string, token: Record<string, string>): Response {
  const address = (name: File): string => `${escaped(base)}/assets/${name}?v=${built(name).version}`
  return html(
    `<!doctype html>
<html lang="en" data-base="${escaped(base)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<title>HL7 outbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${address('app.css')}">
<script type="module" src="${address('app.js')}"></script>
</head>
<body>
<div id="app"><noscript>This page needs JavaScript. The command hl7-outbox shows and steers the same.</noscript></div>
</body>
</html>
`,
    200,
    token,
  )
}

/** Where a person is told that they may not; with an expired session this is what is seen. */
export function deniedPage(): Response {
  return html(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>HL7 outbox: not allowed</title></head>\n<body><main><h1>Not allowed</h1>\n<p>You are not signed in, or may not see this page. Sign in and load it again.</p></main></body></html>\n',
    403,
  )
}

export function asset(name: string): Response | null {
  if (!Object.hasOwn(FILES, name)) return null
  const { bytes } = built(name as File)
  // Kept under the address with its version; it is the same for everyone and holds nothing of any message.
  return new Response(new Uint8Array(bytes), { headers: { ...SECURITY, 'cache-control': 'private, max-age=31536000, immutable', 'content-type': FILES[name as File] } })
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)
}
