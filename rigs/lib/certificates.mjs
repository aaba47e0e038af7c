// Certificates of receivers on loopback, made for one run by openssl.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A self-signed certificate for 127.0.0.1 with its key: `{ certFile, cert, key }`. */
export function certificate(folder, name) {
  const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const { status, error, stderr } = spawnSync('openssl', ['req', '-x509', ...kind, '-keyout', keyFile, '-out', certFile, ...subject], { encoding: 'utf8' })
  if (error?.code === 'ENOENT') throw Object.assign(new Error('openssl is missing'), { hint: 'apt-get install openssl' })
  if (status !== 0) throw new Error(`openssl made no certificate: ${stderr}`)
  return { certFile, cert: readFileSync(certFile), key: readFileSync(keyFile) }
}
