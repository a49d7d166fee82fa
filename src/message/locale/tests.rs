use super::*;

#[test]
fn the_best_is_found() {
    for (there, wanted, best) in [
        // As it is, or shorter.
        ("en it", "it", "it"),
        ("en it", "it-CH", "it"),
        ("it it-CH", "it_ch", "it-CH"),
        ("en it", "fr", "none"),
        ("en it", "", "none"),
        ("en it", "-", "none"),
        // Siblings, before anything else is taken.
        ("en nb", "no", "nb"),
        ("en no", "nb", "no"),
        ("en no", "nb-NO", "no"),
        ("en nb-NO", "no", "nb-NO"),
        ("nb no", "no", "no"),
        ("en no", "nn", "none"),
        ("en pt-BR", "pt", "pt-BR"),
        ("en pt-BR", "pt-PT", "pt-BR"),
        ("en pt-PT", "pt-BR", "pt-PT"),
        ("en pt", "pt-BR", "pt"),
        ("pt pt-PT", "pt-BR", "pt"),
        ("pt-PT pt-BR", "pt", "pt-PT"),
        ("en de-CH", "de-AT", "de-CH"),
        // By script.
        ("en zh-Hant", "zh-TW", "zh-Hant"),
        ("en zh-Hant", "zh-HK", "zh-Hant"),
        ("en zh-TW", "zh-Hant-HK", "zh-TW"),
        ("en zh-Hant", "zh-Hans", "none"),
        ("en zh-Hans", "zh-TW", "none"),
        ("en zh-Hans", "zh-CN", "zh-Hans"),
        ("en zh-CN", "zh-Hans-SG", "zh-CN"),
        ("en zh-TW", "zh-CN", "none"),
        ("en zh-Hans", "zh", "zh-Hans"),
        ("en zh", "zh-TW", "zh"),
        ("zh zh-Hant", "zh-TW", "zh-Hant"),
        ("sr sr-Cyrl", "sr-Latn", "sr"),
        ("sr-Cyrl sr-Latn-ME", "sr-Latn-RS", "sr-Latn-ME"),
        // No languages.
        ("x-one", "x-two", "none"),
        ("i-one x", "x-two", "x"),
    ] {
        let names: Vec<_> = there.split(' ').collect();
        let locales: Vec<_> = std::iter::once(None).chain(names.iter().map(|name| Some(normal(name)))).collect();
        let found = super::best(&normal(wanted), &locales).map_or("none", |place| names[place - 1]);
        assert_eq!(found, best, "{wanted} of {there}");
    }
}
