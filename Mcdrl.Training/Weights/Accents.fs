namespace Mcdrl

open System.Collections.Generic
open System.Globalization

/// Letters without their accents, by a table of our own: the programs run without ICU, where .NET decomposes ASCII alone.
[<RequireQualifiedAccess>]
module internal Accents =
    /// Small letters of the Latin, Greek and Cyrillic scripts that Unicode decomposes into another letter and marks, by that
    /// letter; and İ, whose small form is none of its own.
    let private byLetter =
        [
            'a', "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ"
            'b', "ḃḅḇ"
            'c', "çćĉċčḉ"
            'd', "ďḋḍḏḑḓ"
            'e', "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"
            'f', "ḟ"
            'g', "ĝğġģǧǵḡ"
            'h', "ĥȟḣḥḧḩḫẖ"
            'i', "ìíîïĩīĭįİǐȉȋḭḯỉị"
            'j', "ĵǰ"
            'k', "ķǩḱḳḵ"
            'l', "ĺļľḷḹḻḽ"
            'm', "ḿṁṃ"
            'n', "ñńņňǹṅṇṉṋ"
            'o', "òóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ"
            'p', "ṕṗ"
            'r', "ŕŗřȑȓṙṛṝṟ"
            's', "śŝşšșṡṣṥṧṩ"
            't', "ţťțṫṭṯṱẗ"
            'u', "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"
            'v', "ṽṿ"
            'w', "ŵẁẃẅẇẉẘ"
            'x', "ẋẍ"
            'y', "ýÿŷȳẏẙỳỵỷỹ"
            'z', "źżžẑẓẕ"
            'æ', "ǣǽ"
            'ø', "ǿ"
            'ſ', "ẛ"
            'ʒ', "ǯ"
            'ʹ', "ʹ"
            'α', "άἀἁἂἃἄἅἆἇὰάᾀᾁᾂᾃᾄᾅᾆᾇᾰᾱᾲᾳᾴᾶᾷ"
            'ε', "έἐἑἒἓἔἕὲέ"
            'η', "ήἠἡἢἣἤἥἦἧὴήᾐᾑᾒᾓᾔᾕᾖᾗῂῃῄῆῇ"
            'ι', "ΐίϊἰἱἲἳἴἵἶἷὶίιῐῑῒΐῖῗ"
            'ο', "όὀὁὂὃὄὅὸό"
            'ρ', "ῤῥ"
            'υ', "ΰϋύὐὑὒὓὔὕὖὗὺύῠῡῢΰῦῧ"
            'ω', "ώὠὡὢὣὤὥὦὧὼώᾠᾡᾢᾣᾤᾥᾦᾧῲῳῴῶῷ"
            'ϒ', "ϓϔ"
            'а', "ӑӓ"
            'г', "ѓ"
            'е', "ѐёӗ"
            'ж', "ӂӝ"
            'з', "ӟ"
            'и', "йѝӣӥ"
            'к', "ќ"
            'о', "ӧ"
            'у', "ўӯӱӳ"
            'ч', "ӵ"
            'ы', "ӹ"
            'э', "ӭ"
            'і', "ї"
            'ѵ', "ѷ"
            'ә', "ӛ"
            'ө', "ӫ"
        ]

    let private plain =
        [
            for letter, accented in byLetter do
                for other in accented do
                    KeyValuePair(other, letter)
        ]
        |> Dictionary

    /// A text in small letters without accents, composed or not. Scripts other than the three keep theirs where they are
    /// one character with their letter.
    let removed (text: string) : string =
        text
        |> String.filter (fun letter ->
            CharUnicodeInfo.GetUnicodeCategory letter <> UnicodeCategory.NonSpacingMark)
        |> String.map (fun letter ->
            match plain.TryGetValue letter with
            | true, bare -> bare
            | false, _ -> letter)
