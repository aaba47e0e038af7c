import { createServer } from 'node:http'

/** A receiver on loopback that accepts every message with an HL7 ACK; enough for a page of documentation. */
export async function startReceiver() {
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const [header = ''] = Buffer.concat(chunks).toString('latin1').split('\r')
      const controlId = header.split(header[3] ?? '|')[9] ?? ''
      response.setHeader('content-type', 'application/hl7-v2')
      response.end(`MSH|^~\\&|RECEIVER|RECEIVER|||20250101000000||ACK|A-${controlId}|P|2.5.1\rMSA|AA|${controlId}\r`)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}
