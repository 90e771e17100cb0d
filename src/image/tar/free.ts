/**
 * Gives the memory of a piece, of which nobody has need any more, back at once: until the collector comes round, those of an image would be hundreds of
 * megabytes. The piece is empty afterwards, unless others share its buffer. One that was handed over is left alone.
 */
export function free(piece: Uint8Array): void {
  const { buffer, byteLength } = piece;
  if (buffer instanceof ArrayBuffer && byteLength > 0 && byteLength === buffer.byteLength) buffer.transfer(0);
}
