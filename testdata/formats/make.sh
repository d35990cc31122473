#!/usr/bin/env bash
# Makes the files of this folder with Debian 12's sox, libsox-fmt-mp3, ffmpeg and vorbis-tools. See README.md.
set -euo pipefail
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
ff() { ffmpeg -v error -y -bitexact -i "$1" -fflags +bitexact -flags:a +bitexact "${@:2}"; }

# A quiet tone and noise bursts, different on both sides: short blocks, and middle and side stereo.
signal() { # FILE RATE SECONDS
	sox -R -D -n -r "$2" -b 16 -c 1 "$tmp/tone.wav" synth "$3" sine 200-1500 gain -12
	sox -R -D -n -r "$2" -b 16 -c 1 "$tmp/bursts.wav" synth "$3" pinknoise synth "$3" square amod 23 gain -8
	sox -R -D -m "$tmp/tone.wav" "$tmp/bursts.wav" -b 16 "$tmp/left.wav"
	sox -R -D -m -v 1 "$tmp/tone.wav" -v 0.8 "$tmp/bursts.wav" -b 16 "$tmp/right.wav"
	sox -R -D -M "$tmp/left.wav" "$tmp/right.wav" "$1"
}

signal "$tmp/16k.wav" 16000 0.14
signal "$tmp/22k.wav" 22050 0.1
signal "$tmp/32k.wav" 32000 0.07
signal "$tmp/8k.wav" 8000 0.06

# MP3 by LAME inside ffmpeg; FILE.wav beside it is what ffmpeg decodes.
ff "$tmp/16k.wav" -b:a 32k mpeg2_joint.mp3
ff "$tmp/22k.wav" -b:a 32k mpeg2_padded.mp3
ff "$tmp/22k.wav" -ac 1 -q:a 4 -id3v2_version 3 -metadata title=mono mpeg2_mono_vbr.mp3
ff "$tmp/32k.wav" -b:a 64k mpeg1_joint.mp3
ff "$tmp/32k.wav" -ac 1 -b:a 64k -write_xing 0 -id3v2_version 0 mpeg1_bare.mp3
for f in *.mp3; do ff "$f" "$f.wav"; done

# 8 kHz, stereo, of all other codecs; 8k.wav is the signal.
cp "$tmp/8k.wav" 8k.wav
sox -D 8k.wav -e ms-adpcm ms_adpcm.wav
sox -D ms_adpcm.wav -e signed-integer -b 16 ms_adpcm.wav.wav
sox -D 8k.wav -e ima-adpcm ima_adpcm.wav
sox -D ima_adpcm.wav -e signed-integer -b 16 ima_adpcm.wav.wav
ff 8k.wav -c:a pcm_s24be s24.aiff
ff 8k.wav -c:a pcm_s32be s32.aiff
ff 8k.wav -c:a pcm_s16le sowt.aiff
ff 8k.wav -c:a pcm_f32be fl32.aiff
ff 8k.wav -c:a pcm_f64be fl64.aiff
ff 8k.wav -c:a pcm_f32be f32.au
ff 8k.wav -c:a pcm_s32be s32.au
sox -D 8k.wav -B rifx.wav
ff 8k.wav -rf64 always rf64.wav
sox -D 8k.wav -t aiff - > stream.aiff
sox -D 8k.wav -t au - > stream.au
sox -D 8k.wav -t wav - > stream.wav
ff 8k.wav -f wav - > stream2.wav
for law in mulaw alaw; do
	ff 8k.wav -c:a pcm_$law $law.aiff
	ff 8k.wav -c:a pcm_$law $law.au
	ff 8k.wav -c:a pcm_$law $law.wav
	ff $law.wav -c:a pcm_s16le $law.wav.wav
done

# Of rates that decoders seldom meet.
ff 8k.wav -af asetrate=24000 -c:a flac 24k.flac
ff 24k.flac -c:a pcm_s16le 24k.flac.wav

# Refused by name.
ff 8k.wav -ar 8000 -b:a 32k mpeg25.mp3
ff 8k.wav -ar 16000 -c:a mp2 -b:a 64k layer2.mp2
ff 8k.wav -c:a libopus -b:a 24k opus.ogg
ff 8k.wav -c:a flac -f ogg flac.ogg
sox -D 8k.wav wave64.w64
sox -D 8k.wav -c 1 -e gsm-full-rate gsm610.wav
oggenc -Q -q 1 --serial 1 8k.wav -o vorbis.ogg
