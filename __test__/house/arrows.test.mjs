// The arrows between the parts (ARCHITECTURE.md): who may import whom. A new dependency that crosses one fails here.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, extname, join, posix } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'

import { repositoryFiles } from './files.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Sibling crates that each crate may use in what it ships. */
const siblings = {
  'outbox-core': [],
  'outbox-sqlite': ['outbox-core'],
  'outbox-transport': ['outbox-core'],
  'outbox-receiver': [],
  'outbox-napi': ['outbox-core', 'outbox-sqlite', 'outbox-transport', 'outbox-receiver'],
  'outbox-testing': ['outbox-core', 'outbox-sqlite', 'outbox-transport', 'outbox-receiver'],
}
/** Siblings that tests alone may use besides: a dev-dependency never reaches what is shipped. */
const siblingsOfTests = ['outbox-core', 'outbox-receiver', 'outbox-testing']

/** Libraries with one home: the crate that knows SQL, the ones that know sockets, the one that knows Node. */
const homes = [
  { what: 'SQL', libraries: /^(rusqlite|libsqlite3-sys|sqlx|diesel|postgres|tokio-postgres)$/, crates: ['outbox-sqlite', 'outbox-testing'] },
  { what: 'HTTP and TLS', libraries: /^(reqwest|hyper|hyper-.*|http-body.*|h2|ureq|axum|tower|rustls|rustls-.*|tokio-rustls|native-tls|openssl|rcgen|webpki.*)$/, crates: ['outbox-transport', 'outbox-receiver', 'outbox-testing'] },
  { what: 'Node', libraries: /^napi(-.*)?$/, crates: ['outbox-napi'] },
]

const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }))

test('every crate of the workspace has its arrows written down', () => {
  assert.deepEqual(metadata.packages.map((each) => each.name).sort(), Object.keys(siblings).sort())
})

for (const crate of metadata.packages) {
  const shipped = crate.dependencies.filter((each) => each.kind !== 'dev')
  const forTests = crate.dependencies.filter((each) => each.kind === 'dev')

  test(`${crate.name} uses only the siblings it may`, () => {
    const isSibling = (each) => each.name in siblings
    for (const each of shipped.filter(isSibling)) assert.ok(siblings[crate.name]?.includes(each.name), `${crate.name} -> ${each.name}`)
    for (const each of forTests.filter(isSibling)) {
      assert.ok(siblings[crate.name]?.includes(each.name) || siblingsOfTests.includes(each.name), `${crate.name} -> ${each.name} (tests)`)
    }
  })

  test(`${crate.name} leaves SQL, HTTP, TLS and Node to their crates`, () => {
    for (const { what, libraries, crates } of homes) {
      if (crates.includes(crate.name)) continue
      const found = shipped.filter((each) => libraries.test(each.name)).map((each) => each.name)
      assert.deepEqual(found, [], `${what} does not belong in ${crate.name}`)
    }
  })
}

const sources = repositoryFiles(root).filter((path) => ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs'].includes(extname(path)))

/** Everything a file imports, in whichever way: import, export from, import(), require(). */
function imports(path) {
  const text = readFileSync(join(root, path), 'utf8')
  return ts.preProcessFile(text, true, true).importedFiles.map((each) => each.fileName)
}

test('cli, next and admin reach the outbox through the facade only', () => {
  for (const path of sources.filter((each) => /^js\/(cli|next|admin)\//.test(each))) {
    const own = path.split('/').slice(0, 2).join('/')
    for (const specifier of imports(path).filter((each) => each.startsWith('.'))) {
      const target = posix.join(posix.dirname(path), specifier)
      // The command serves the page; it knows no more of it than an application does.
      const served = own === 'js/cli' && target === 'js/admin/index.js'
      const allowed = target.startsWith(`${own}/`) || served || target === 'js/facade/index.js' || target === 'package.json'
      assert.ok(allowed, `${path} imports ${specifier}`)
    }
  }
})

test('the facade imports nothing of cli, next and admin', () => {
  for (const path of sources.filter((each) => each.startsWith('js/facade/'))) {
    for (const specifier of imports(path)) assert.doesNotMatch(specifier, /(^|\/)(cli|next|admin)(\/|$)/, `${path} imports ${specifier}`)
  }
})

test('an application loads built-in modules only, and an installation fetches nothing: what the command line uses is in the tarball', () => {
  const builtIn = (specifier) => specifier.startsWith('node:')
  // The second one is types only; nothing of it is left after the build.
  const ofTheCommandLine = ['commander', '@commander-js/extra-typings']
  for (const path of sources.filter((each) => each.startsWith('js/') && each !== 'js/facade/load.ts')) {
    for (const specifier of imports(path).filter((each) => !each.startsWith('.') && !builtIn(each))) {
      // What an application has itself, or has not: an optional peer.
      const ofTheApplication = path === 'js/facade/tracing.ts' && specifier === '@opentelemetry/api'
      const allowed = ofTheApplication || (path.startsWith('js/cli/') && ofTheCommandLine.includes(specifier))
      assert.ok(allowed, `${path} imports ${specifier}; built-in modules are written with node:`)
    }
  }
  const { dependencies, bundleDependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.deepEqual([Object.keys(dependencies), bundleDependencies], [['commander'], ['commander']])
  assert.deepEqual([Object.keys(peerDependencies), peerDependenciesMeta], [['@opentelemetry/api'], { '@opentelemetry/api': { optional: true } }])
})

test('the page in the browser knows the two libraries it is made with, and nothing of the outbox', () => {
  for (const path of sources.filter((each) => each.startsWith('page/') && each !== 'page/vite.config.mjs')) {
    for (const specifier of imports(path)) assert.match(specifier, /^(\.{1,2}\/|preact$|preact\/hooks$|uplot$|uplot\/dist\/uPlot\.min\.css$)/, `${path} imports ${specifier}`)
    for (const specifier of imports(path).filter((each) => each.startsWith('.'))) assert.ok(posix.join(posix.dirname(path), specifier).startsWith('page/'), `${path} imports ${specifier}`)
  }
})

test('only the loader loads a binary', () => {
  for (const path of sources.filter((each) => each !== 'js/facade/load.ts')) {
    for (const specifier of imports(path)) assert.doesNotMatch(specifier, /hl7-outbox[^/]*\.node$|^hl7-outbox-(linux|darwin|win32)/, path)
    assert.ok(!readFileSync(join(root, path), 'utf8').includes(['process', 'dlopen'].join('.')), `${path} calls dlopen`)
  }
})
