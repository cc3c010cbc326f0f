//! Plain text, shared by the compiler and extraction: folding and sentences.

/// Lower case without accents, so that `Résumé`, `resume` and `RÉSUMÉ` are one word.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'â' | 'ä' | 'á' | 'ã' | 'å' => folded.push('a'),
            'ç' => folded.push('c'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'î' | 'ï' | 'í' | 'ì' => folded.push('i'),
            'ô' | 'ö' | 'ó' | 'ò' | 'õ' => folded.push('o'),
            'ù' | 'û' | 'ü' | 'ú' => folded.push('u'),
            'ÿ' => folded.push('y'),
            'ñ' => folded.push('n'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '’' => folded.push('\''),
            '\u{300}'..='\u{36f}' => {}
            other => folded.push(other),
        }
    }
    folded
}

/// Sentences of a text, good enough to quote from: a mark followed by a blank and no lower-case letter, or a line's end.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    const ABBREVIATIONS: [&str; 14] =
        ["dr", "mr", "mrs", "ms", "m", "mme", "mlle", "prof", "etc", "e.g", "i.e", "cf", "p", "no"];
    let mut all = Vec::new();
    for line in text.lines() {
        let mut start = 0;
        let chars: Vec<(usize, char)> = line.char_indices().collect();
        for (at, &(offset, c)) in chars.iter().enumerate() {
            if !matches!(c, '.' | '!' | '?' | '…') {
                continue;
            }
            let Some(&(_, ' ')) = chars.get(at + 1) else { continue };
            let word = line[start..offset].rsplit(' ').next().unwrap_or("").to_lowercase();
            let next = chars[at + 1..].iter().map(|&(_, c)| c).find(|c| !c.is_whitespace());
            // "[leave-policy.md]" stays with the sentence it sources.
            let goes_on = next.is_none_or(|c| c.is_lowercase() || c == '[');
            if c == '.' && (ABBREVIATIONS.contains(&word.as_str()) || goes_on) {
                continue;
            }
            let end = offset + c.len_utf8();
            all.push(line[start..end].trim().to_owned());
            start = end;
        }
        all.push(line[start..].trim().to_owned());
    }
    all.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    all
}
